/* Put before libc (LD_PRELOAD) in a process that keeps an archive: notes each call that changes the file system, ends
 * the process at one of them, or has them fail. Only what is below CRASH_ROOT counts, and what is sent to a database.
 *
 *   CRASH_JOURNAL  file to note the calls in, in the order in which they took effect (read by tests/crash/journal.py)
 *   CRASH_POINT    OP|PATH|COUNT|MOMENT: SIGKILL at the COUNT-th call OP whose path has PATH in it ("*" any text);
 *                  MOMENT is before, half (of what is written) or after
 *   CRASH_FAULTS   file whose first byte says what fails: S no space, R read-only, anything else nothing
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, FSYNC, SYNCFS, CLOSE, MARK, SEND };
static const char *const NAMES[] = {"", "open", "write", "truncate", "rename", "link", "unlink", "mkdir", "rmdir",
                                    "fsync", "syncfs", "close", "mark", "send"};
enum { BEFORE, HALF, AFTER };
enum { FILES = 65536 };

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char *paths[FILES]; /* of the descriptors below the root */
static char root[4096];
static size_t root_length;
static int journal = -1, faults = -1;
static int point_op, point_moment;
static long point_count;
static char point_path[512];

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("CRASH_ROOT");
    if (text == NULL) return;
    snprintf(root, sizeof root, "%s", text);
    root_length = strlen(root);
    if ((text = getenv("CRASH_JOURNAL")) != NULL)
        journal = (int)syscall(SYS_openat, AT_FDCWD, text, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if ((text = getenv("CRASH_FAULTS")) != NULL)
        faults = (int)syscall(SYS_openat, AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0);
    if ((text = getenv("CRASH_POINT")) != NULL) {
        char op[32] = "", moment[32] = "";
        if (sscanf(text, "%31[^|]|%511[^|]|%ld|%31s", op, point_path, &point_count, moment) != 4) abort();
        for (int one = OPEN; one <= SEND; one++)
            if (strcmp(op, NAMES[one]) == 0) point_op = one;
        point_moment = strcmp(moment, "before") == 0 ? BEFORE : strcmp(moment, "half") == 0 ? HALF : AFTER;
    }
    unsetenv("LD_PRELOAD"); /* what this process starts is left alone */
}

static int below(const char *path) {
    return root_length && path != NULL && strncmp(path, root, root_length) == 0;
}

static char *path_of(int fd) { return fd >= 0 && fd < FILES ? paths[fd] : NULL; }

static void out(const void *data, size_t size) {
    const char *at = data;
    while (size) {
        ssize_t done = syscall(SYS_write, journal, at, size);
        if (done <= 0) abort();
        at += done, size -= (size_t)done;
    }
}

/* One record: operation, descriptor, a number, the lengths of two paths and of the data, and these. */
static void note(int op, int fd, int64_t number, const char *one, const char *two, const void *data, size_t size) {
    if (journal < 0) return;
    struct __attribute__((packed)) { uint8_t op; int32_t fd; int64_t number; uint32_t one, two, size; } head = {
        (uint8_t)op, fd, number, one ? (uint32_t)strlen(one) : 0, two ? (uint32_t)strlen(two) : 0, (uint32_t)size};
    out(&head, sizeof head);
    if (one) out(one, head.one);
    if (two) out(two, head.two);
    if (size) out(data, size);
}

/* Whether this is the call to end at; the moment is seen to by the caller. */
static int reached(int op, const char *path) {
    if (op != point_op || point_count <= 0 || path == NULL || fnmatch(point_path, path, 0) != 0) return 0;
    return --point_count == 0;
}

static void end(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int failing(int op, int flags) {
    char what = 0;
    if (faults < 0 || syscall(SYS_pread64, faults, &what, 1, (off_t)0) != 1) return 0;
    if (what == 'S' && (op == WRITE || op == MKDIR || (op == OPEN && flags & O_CREAT))) return ENOSPC;
    if (what == 'R' && (op != OPEN || (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT)) return EROFS;
    return 0;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (real == NULL) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

/* CALL is made between the two moments at which a process may end, and noted where it worked. */
#define STEP(op, path, flags, CALL, NOTE) \
    pthread_mutex_lock(&mutex); \
    int here = reached(op, path), wrong = failing(op, flags); \
    if (here && point_moment == BEFORE) end(); \
    if (wrong) { pthread_mutex_unlock(&mutex); errno = wrong; return -1; } \
    CALL; \
    int saved = errno; \
    if (result >= 0) { NOTE; if (here) end(); } \
    else if (here) point_count = 1; \
    pthread_mutex_unlock(&mutex); \
    errno = saved; \
    return result

static int opened(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    if (!below(path)) return real(path, flags, mode);
    STEP(OPEN, path, flags, int result = real(path, flags, mode), {
        if (result < FILES) { free(paths[result]); paths[result] = strdup(path); }
        note(OPEN, result, flags, path, NULL, NULL, 0);
    });
}

#define OPENING(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, name, const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        return opened(real, path, flags, mode); \
    }
OPENING(open)
OPENING(open64)

#define OPENING_AT(name, plain) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(int, name, int, const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        return below(path) ? plain(path, flags, mode) : real(at, path, flags, mode); \
    }
OPENING_AT(openat, open)
OPENING_AT(openat64, open64)

int close(int fd) {
    REAL(int, close, int);
    if (path_of(fd) == NULL) return real(fd);
    pthread_mutex_lock(&mutex);
    free(paths[fd]);
    paths[fd] = NULL;
    note(CLOSE, fd, 0, NULL, NULL, NULL, 0);
    int result = real(fd);
    pthread_mutex_unlock(&mutex);
    return result;
}

static void half(int fd, const void *data, size_t size, off_t at) {
    if (at >= 0) syscall(SYS_pwrite64, fd, data, size / 2, at);
    else syscall(SYS_write, fd, data, size / 2);
    end();
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (path_of(fd) == NULL) return real(fd, data, size);
    STEP(WRITE, paths[fd], 0,
         if (here && point_moment == HALF) half(fd, data, size, -1);
         ssize_t result = real(fd, data, size),
         note(WRITE, fd, lseek(fd, 0, SEEK_CUR) - result, NULL, NULL, data, (size_t)result));
}

static void note_parts(int fd, off_t at, const struct iovec *parts, int count, size_t left) {
    for (int one = 0; one < count && left; one++) {
        size_t size = parts[one].iov_len < left ? parts[one].iov_len : left;
        note(WRITE, fd, at, NULL, NULL, parts[one].iov_base, size);
        at += (off_t)size, left -= size;
    }
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    if (path_of(fd) == NULL) return real(fd, parts, count);
    STEP(WRITE, paths[fd], 0,
         if (here && point_moment == HALF) half(fd, parts[0].iov_base, parts[0].iov_len, -1);
         ssize_t result = real(fd, parts, count),
         note_parts(fd, lseek(fd, 0, SEEK_CUR) - result, parts, count, (size_t)result));
}

#define PLACED(name) \
    ssize_t name(int fd, const void *data, size_t size, off_t at) { \
        REAL(ssize_t, name, int, const void *, size_t, off_t); \
        if (path_of(fd) == NULL) return real(fd, data, size, at); \
        STEP(WRITE, paths[fd], 0, \
             if (here && point_moment == HALF) half(fd, data, size, at); \
             ssize_t result = real(fd, data, size, at), \
             note(WRITE, fd, at, NULL, NULL, data, (size_t)result)); \
    }
PLACED(pwrite)
PLACED(pwrite64)

#define CUTTING(name) \
    int name(int fd, off_t size) { \
        REAL(int, name, int, off_t); \
        if (path_of(fd) == NULL) return real(fd, size); \
        STEP(TRUNCATE, paths[fd], 0, int result = real(fd, size), note(TRUNCATE, fd, size, NULL, NULL, NULL, 0)); \
    }
CUTTING(ftruncate)
CUTTING(ftruncate64)

#define CUTTING_PATH(name) \
    int name(const char *path, off_t size) { \
        REAL(int, name, const char *, off_t); \
        if (!below(path)) return real(path, size); \
        STEP(TRUNCATE, path, 0, int result = real(path, size), note(TRUNCATE, -1, size, path, NULL, NULL, 0)); \
    }
CUTTING_PATH(truncate)
CUTTING_PATH(truncate64)

int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    REAL(int, fallocate64, int, int, off64_t, off64_t);
    if (path_of(fd) == NULL) return real(fd, mode, at, size);
    errno = EOPNOTSUPP; /* nothing here needs it, and so the model need not have it */
    return -1;
}

int rename(const char *one, const char *two) {
    REAL(int, rename, const char *, const char *);
    if (!below(two)) return real(one, two);
    STEP(RENAME, two, 0, int result = real(one, two), note(RENAME, -1, 0, one, two, NULL, 0));
}

int link(const char *one, const char *two) {
    REAL(int, link, const char *, const char *);
    if (!below(two)) return real(one, two);
    STEP(LINK, two, 0, int result = real(one, two), note(LINK, -1, 0, one, two, NULL, 0));
}

int linkat(int from, const char *one, int to, const char *two, int flags) {
    REAL(int, linkat, int, const char *, int, const char *, int);
    return below(two) ? link(one, two) : real(from, one, to, two, flags);
}

int renameat(int from, const char *one, int to, const char *two) {
    REAL(int, renameat, int, const char *, int, const char *);
    return below(two) ? rename(one, two) : real(from, one, to, two);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    if (!below(path)) return real(path);
    STEP(UNLINK, path, 0, int result = real(path), note(UNLINK, -1, 0, path, NULL, NULL, 0));
}

int rmdir(const char *path) {
    REAL(int, rmdir, const char *);
    if (!below(path)) return real(path);
    STEP(RMDIR, path, 0, int result = real(path), note(RMDIR, -1, 0, path, NULL, NULL, 0));
}

int unlinkat(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (!below(path)) return real(at, path, flags);
    return flags & AT_REMOVEDIR ? rmdir(path) : unlink(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, mkdir, const char *, mode_t);
    if (!below(path)) return real(path, mode);
    STEP(MKDIR, path, 0, int result = real(path, mode), note(MKDIR, -1, 0, path, NULL, NULL, 0));
}

#define SYNCING(name, op) \
    int name(int fd) { \
        REAL(int, name, int); \
        if (path_of(fd) == NULL) return real(fd); \
        STEP(op, paths[fd], 0, int result = journal < 0 ? real(fd) : 0, note(op, fd, 0, NULL, NULL, NULL, 0)); \
    }
SYNCING(fsync, FSYNC)
SYNCING(fdatasync, FSYNC)
SYNCING(syncfs, SYNCFS)

void sync(void) {
    pthread_mutex_lock(&mutex);
    note(SYNCFS, -1, 0, NULL, NULL, NULL, 0);
    pthread_mutex_unlock(&mutex);
}

/* What a client tells a database: "path" is the text of its message. */
ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(ssize_t, send, int, const void *, size_t, int);
    if (point_op != SEND || size < 6 || size > 500) return real(fd, data, size, flags);
    char text[512];
    size_t length = 0;
    for (size_t at = 5; at < size; at++) {
        char one = ((const char *)data)[at];
        text[length++] = one >= ' ' && one <= '~' ? one : '.';
    }
    text[length] = 0;
    pthread_mutex_lock(&mutex);
    int here = reached(SEND, text);
    pthread_mutex_unlock(&mutex);
    if (here && point_moment == BEFORE) end();
    ssize_t result = real(fd, data, size, flags);
    if (here) end();
    return result;
}

/* Called by a workload: what it says goes between the calls around it. */
void crash_mark(const char *text, size_t size) {
    pthread_mutex_lock(&mutex);
    note(MARK, -1, 0, NULL, NULL, text, size);
    pthread_mutex_unlock(&mutex);
}
