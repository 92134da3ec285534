/*
 * keyring.c
 *		The master keys that this server has been given, by a file or a command.
 *
 * One key a line, 64 hexadecimal characters; blank lines and lines that begin
 * with # are passed over; the last key is the newest and seals.  A key's id and
 * fingerprint are HMAC-SHA-256 of a fixed label under it: they tell keys apart
 * and reveal nothing of them.
 *
 * Functions return NULL, or a problem in words when a key is not to be had;
 * callers decide whether that is an error.  A file is read again when its
 * inode, size or time changes, a command when the configuration is reloaded or
 * a key is asked for that it did not print before.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "base/keyring.h"

#define MAX_MASTER_KEYS 64
#define KEY_HEX_LEN (2 * CRYPTO_KEY_LEN)
#define MAX_LINE 256
#define FINGERPRINT_LABEL "account master key"

static char *account_master_key_file = NULL;
static char *account_master_key_command = NULL;

static struct
{
	int count;
	MasterKey keys[MAX_MASTER_KEYS];
	bool is_loaded;
	struct stat file; /* of the file the keys came from */
} keyring;

static void
Forget(void)
{
	CryptoWipe(&keyring, sizeof(keyring));
}

static void
SourceChanged(const char *newval, void *extra)
{
	Forget();
}

void
KeyringInit(void)
{
	DefineCustomStringVariable(
		"account.master_key_file", "File that holds the master keys, one a line, the newest last.",
		"A relative name is taken from the data directory.", &account_master_key_file,
		"account.key", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, SourceChanged, NULL);
	DefineCustomStringVariable(
		"account.master_key_command", "Command that prints the master keys, instead of the file.",
		"The server runs it once a session, and again after a reload.", &account_master_key_command,
		"", PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, SourceChanged, NULL);
}

/* Whether keys come from a file, which the server can add to. */
bool
KeyringIsFile(void)
{
	return account_master_key_command == NULL || account_master_key_command[0] == '\0';
}

const char *
KeyringFilePath(void)
{
	static char path[MAXPGPATH];

	if (is_absolute_path(account_master_key_file))
		strlcpy(path, account_master_key_file, sizeof(path));
	else
		snprintf(path, sizeof(path), "%s/%s", DataDir, account_master_key_file);
	return path;
}

static int
HexDigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
DecodeKey(const char *hex, uint8 *key)
{
	for (int i = 0; i < CRYPTO_KEY_LEN; i++)
	{
		int high = HexDigit(hex[2 * i]);
		int low = high < 0 ? -1 : HexDigit(hex[2 * i + 1]);

		if (low < 0)
			return false;
		key[i] = (uint8) (high << 4 | low);
	}
	return true;
}

static bool
NameKey(MasterKey *key)
{
	if (!CryptoHmacSha256(key->key, CRYPTO_KEY_LEN, FINGERPRINT_LABEL, strlen(FINGERPRINT_LABEL),
						  key->fingerprint))
		return false;
	CryptoHex(key->fingerprint, (MASTER_KEY_ID_LEN - 1) / 2, key->id);
	return true;
}

/* Takes one line of the source; a problem in words when it is not a key. */
static const char *
TakeLine(char *line)
{
	size_t len = strcspn(line, "\r\n");
	MasterKey *key;

	if (len == 0 || line[0] == '#')
		return NULL;
	if (keyring.count == MAX_MASTER_KEYS)
		return "there are more than 64 master keys";
	key = &keyring.keys[keyring.count];
	if (len != KEY_HEX_LEN || !DecodeKey(line, key->key))
		return "a line is not 64 hexadecimal characters";
	if (!NameKey(key))
		return "the fingerprint of a master key could not be computed";
	keyring.count++;
	return NULL;
}

static const char *
TakeLines(FILE *source)
{
	char line[MAX_LINE];
	const char *problem = NULL;
	bool in_comment = false; /* one that goes on behind the end of the buffer */

	keyring.count = 0;
	while (problem == NULL && fgets(line, sizeof(line), source) != NULL)
	{
		if (!in_comment)
			problem = TakeLine(line);
		in_comment = (in_comment || line[0] == '#') && strchr(line, '\n') == NULL;
	}
	CryptoWipe(line, sizeof(line));
	if (problem == NULL && ferror(source))
		problem = "it could not be read";
	if (problem == NULL && keyring.count == 0)
		problem = "it holds no master key";
	return problem;
}

/* Only the server's own user, or root, may be able to read or replace the file. */
static const char *
CheckFile(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_uid == geteuid() && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "group or others have access to it; its mode must be 0600 or less";
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return "it belongs neither to the user the server runs as nor to root";
	if (st->st_uid == 0 && geteuid() != 0 && (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0)
		return "it belongs to root, so its mode must be 0640 or less";
	return NULL;
}

static bool
IsSameFile(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		   a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
		   a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static const char *
LoadFile(void)
{
	const char *path = KeyringFilePath();
	const char *problem;
	struct stat st;
	FILE *file;
	char buffer[BUFSIZ];

	if (stat(path, &st) != 0)
		return errno == ENOENT ? "there is no such file" : "it could not be examined";
	if (keyring.is_loaded && IsSameFile(&st, &keyring.file))
		return NULL;
	Forget();
	if ((problem = CheckFile(&st)) != NULL)
		return problem;
	if ((file = AllocateFile(path, "r")) == NULL)
		return "it could not be opened";
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	problem = TakeLines(file);
	FreeFile(file);
	CryptoWipe(buffer, sizeof(buffer));
	keyring.file = st;
	return problem;
}

static const char *
LoadCommand(void)
{
	FILE *pipe;
	const char *problem;
	char buffer[BUFSIZ];

	if (keyring.is_loaded)
		return NULL;
	if ((pipe = OpenPipeStream(account_master_key_command, "r")) == NULL)
		return "it could not be run";
	setvbuf(pipe, buffer, _IOFBF, sizeof(buffer));
	problem = TakeLines(pipe);
	if (ClosePipeStream(pipe) != 0 && problem == NULL)
		problem = "it failed";
	CryptoWipe(buffer, sizeof(buffer));
	return problem;
}

static const char *
Load(void)
{
	const char *problem = KeyringIsFile() ? LoadFile() : LoadCommand();

	if (problem != NULL)
		Forget();
	keyring.is_loaded = problem == NULL;
	return problem;
}

/* Reads the source again, whether or not it seems to have changed. */
const char *
KeyringReload(int *count)
{
	const char *problem;

	Forget();
	problem = Load();
	*count = keyring.count;
	return problem;
}

/* A copy of the key that seals; the caller wipes it. */
const char *
KeyringNewest(MasterKey *key)
{
	const char *problem = Load();

	if (problem == NULL)
		*key = keyring.keys[keyring.count - 1];
	return problem;
}

static const MasterKey *
Find(const char *id)
{
	for (int i = 0; i < keyring.count; i++)
		if (strcmp(keyring.keys[i].id, id) == 0)
			return &keyring.keys[i];
	return NULL;
}

/* A copy of the key of that id; the caller wipes it. */
const char *
KeyringFind(const char *id, MasterKey *key)
{
	const char *problem = Load();
	const MasterKey *found = problem == NULL ? Find(id) : NULL;

	if (problem == NULL && found == NULL && !KeyringIsFile())
	{
		Forget();
		problem = Load();
		found = problem == NULL ? Find(id) : NULL;
	}
	if (problem != NULL)
		return problem;
	if (found == NULL)
		return "it does not hold the key";
	*key = *found;
	return NULL;
}

/* Writes all of it to a new file beside path, durably, with mode 0600. */
static bool
WriteFile(const char *path, const char *old, size_t old_len, const char *line)
{
	int fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, 0600);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, old, old_len) == (ssize_t) old_len &&
		 write(fd, line, strlen(line)) == (ssize_t) strlen(line) && pg_fsync(fd) == 0;
	return CloseTransientFile(fd) == 0 && ok;
}

/* The whole file as it is, at most size bytes; -1 when it cannot be read. */
static ssize_t
ReadFile(const char *path, char *buffer, size_t size)
{
	int fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	ssize_t len;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	len = read(fd, buffer, size);
	CloseTransientFile(fd);
	return len;
}

/* Whether one more key would leave a file that can be read. */
static const char *
CheckRoom(void)
{
	const char *problem = Load();

	if (problem == NULL && keyring.count == MAX_MASTER_KEYS)
		problem = "it holds 64 master keys, the most there may be";
	return problem;
}

/*
 * Adds a new random key at the end of the file, which is replaced whole, so
 * that a crash leaves the old file or the new one.  Callers hold a lock that
 * keeps others of this cluster out.  A problem in words, or NULL.
 */
const char *
KeyringAddToFile(bool only_if_absent, bool *added)
{
	const char *path = KeyringFilePath();
	const char *problem;
	char temporary[MAXPGPATH + 8];
	char old[MAX_MASTER_KEYS * MAX_LINE];
	char line[KEY_HEX_LEN + 2];
	uint8 key[CRYPTO_KEY_LEN];
	ssize_t old_len;
	struct stat st;
	bool ok;

	*added = false;
	if (stat(path, &st) == 0)
	{
		if (only_if_absent)
			return NULL;
		if ((problem = CheckRoom()) != NULL)
			return problem;
	}
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (unlink(temporary) != 0 && errno != ENOENT)
		return "a left-over new file could not be removed";
	old_len = ReadFile(path, old, sizeof(old) - 1);
	if (old_len < 0 || old_len == sizeof(old) - 1)
		return "it could not be read";
	if (old_len > 0 && old[old_len - 1] != '\n')
		old[old_len++] = '\n';
	if (!CryptoRandom(key, sizeof(key)))
		return "random bytes could not be made";
	CryptoHex(key, sizeof(key), line);
	strlcat(line, "\n", sizeof(line));
	ok = WriteFile(temporary, old, old_len, line) && durable_rename(temporary, path, LOG) == 0;
	CryptoWipe(key, sizeof(key));
	CryptoWipe(line, sizeof(line));
	CryptoWipe(old, sizeof(old));
	*added = ok;
	return ok ? NULL : "it could not be written";
}
