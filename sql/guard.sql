\echo Use "CREATE EXTENSION account" to load this file. \quit
