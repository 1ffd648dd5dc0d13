/* Counts what a process does to the files under one folder, and at the k-th operation kills it or says that the disk is full.
 *
 * Loaded by LD_PRELOAD, so that it also sees what libraries write that are not Python. An operation is a call that creates, writes,
 * cuts, flushes, renames or deletes; of a write at which the process is killed, the first half is done.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, FULL };
enum { GROWS, OTHER }; /* operations that need room on the disk, and those that do not */

static char folder[PATH_MAX];
static long count, stop_at;
static int action;

void watch_operations(const char *path, long at, int what) {
    snprintf(folder, sizeof folder, "%s", path);
    count = 0;
    stop_at = at;
    action = what;
}

long operations_seen(void) { return count; }

static int inside(const char *path) {
    size_t length = strlen(folder);
    return length && !strncmp(path, folder, length);
}

static int fd_inside(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}

static int at_inside(int fd, const char *path) { return path[0] == '/' || fd == AT_FDCWD ? inside(path) : fd_inside(fd); }

/* 1: the call must fail with errno. */
static int stopped(int kind) {
    count++;
    if (action == KILL && count == stop_at) kill(getpid(), SIGKILL);
    if (action == FULL && count >= stop_at && kind == GROWS) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(condition, kind) \
    if ((condition) && stopped(kind)) return -1

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        va_list list;                                                                   \
        va_start(list, flags);                                                          \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;         \
        va_end(list);                                                                   \
        GUARD(flags & (O_CREAT | O_TRUNC) && inside(path), GROWS);                      \
        return REAL(name)(path, flags, mode);                                           \
    }
#define OPENAT(name)                                                                    \
    int name(int fd, const char *path, int flags, ...) {                                \
        va_list list;                                                                   \
        va_start(list, flags);                                                          \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;         \
        va_end(list);                                                                   \
        GUARD(flags & (O_CREAT | O_TRUNC) && at_inside(fd, path), GROWS);               \
        return REAL(name)(fd, path, flags, mode);                                       \
    }
#define FOPEN(name)                                                                     \
    FILE *name(const char *path, const char *mode) {                                    \
        if (strpbrk(mode, "wa+") && inside(path) && stopped(GROWS)) return NULL;        \
        return REAL(name)(path, mode);                                                  \
    }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64) FOPEN(fopen) FOPEN(fopen64)

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!fd_inside(fd)) return REAL(write)(fd, bytes, size);
    if (action == KILL && count + 1 == stop_at) REAL(write)(fd, bytes, size / 2);
    GUARD(1, GROWS);
    return REAL(write)(fd, bytes, size);
}
ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    GUARD(fd_inside(fd), GROWS);
    return REAL(pwrite64)(fd, bytes, size, at);
}
ssize_t writev(int fd, const struct iovec *parts, int number) {
    GUARD(fd_inside(fd), GROWS);
    return REAL(writev)(fd, parts, number);
}
int ftruncate64(int fd, off64_t size) {
    GUARD(fd_inside(fd), GROWS);
    return REAL(ftruncate64)(fd, size);
}
int fsync(int fd) {
    GUARD(fd_inside(fd), OTHER);
    return REAL(fsync)(fd);
}
int rename(const char *from, const char *to) {
    GUARD(inside(from), OTHER);
    return REAL(rename)(from, to);
}
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    GUARD(at_inside(from_fd, from), OTHER);
    return REAL(renameat2)(from_fd, from, to_fd, to, flags);
}
int unlink(const char *path) {
    GUARD(inside(path), OTHER);
    return REAL(unlink)(path);
}
int unlinkat(int fd, const char *path, int flags) {
    GUARD(at_inside(fd, path), OTHER);
    return REAL(unlinkat)(fd, path, flags);
}
int rmdir(const char *path) {
    GUARD(inside(path), OTHER);
    return REAL(rmdir)(path);
}
int mkdir(const char *path, mode_t mode) {
    GUARD(inside(path), GROWS);
    return REAL(mkdir)(path, mode);
}
int chmod(const char *path, mode_t mode) {
    GUARD(inside(path), OTHER);
    return REAL(chmod)(path, mode);
}
