SELECT count(account.verify_api_key(d.key)) FROM drawn d;
