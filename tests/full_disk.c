/* A disk that gets full: after so many changes below a folder, every further one that needs room fails with ENOSPC.

   cc -shared -fPIC -O1 -o full_disk.so full_disk.c -ldl, and LD_PRELOAD=full_disk.so. A test calls
   full_disk_arm(root, changes, once) and full_disk_disarm(), which returns how many changes there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static volatile long count = 0, limit = -1;
static volatile int once = 0, armed = 0;

void full_disk_arm(const char *folder, long changes, int only_once) {
  snprintf(root, sizeof root, "%s", folder);
  count = 0, limit = changes, once = only_once, armed = 1;
}

long full_disk_disarm(void) {
  armed = 0;
  return count;
}

static int full(const char *path) {
  if (!armed || strncmp(path, root, strlen(root))) return 0;
  long n = __sync_fetch_and_add(&count, 1);
  if (limit < 0 || (once ? n != limit : n < limit)) return 0;
  errno = ENOSPC;
  return 1;
}

static int full_at(int dir, const char *path) {
  char whole[PATH_MAX], link[64];
  if (!armed) return 0;
  if (path[0] == '/') return full(path);
  snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
  ssize_t n = readlink(link, whole, sizeof whole - 1);
  if (n < 0) return 0;
  snprintf(whole + n, sizeof whole - n, "/%s", path);
  return full(whole);
}

static int full_fd(int fd) {
  char link[64], path[PATH_MAX];
  if (!armed) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return full(path);
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *from, size_t n) { REAL(write); return n && full_fd(fd) ? -1 : real(fd, from, n); }
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) { REAL(pwrite); return full_fd(fd) ? -1 : real(fd, from, n, at); }
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) { REAL(pwrite64); return full_fd(fd) ? -1 : real(fd, from, n, at); }
ssize_t writev(int fd, const struct iovec *parts, int n) { REAL(writev); return full_fd(fd) ? -1 : real(fd, parts, n); }
int ftruncate(int fd, off_t n) { REAL(ftruncate); return n && full_fd(fd) ? -1 : real(fd, n); }
int ftruncate64(int fd, off64_t n) { REAL(ftruncate64); return n && full_fd(fd) ? -1 : real(fd, n); }
int posix_fallocate(int fd, off_t at, off_t n) { REAL(posix_fallocate); return full_fd(fd) ? ENOSPC : real(fd, at, n); }
int posix_fallocate64(int fd, off64_t at, off64_t n) { REAL(posix_fallocate64); return full_fd(fd) ? ENOSPC : real(fd, at, n); }
ssize_t sendfile(int to, int from, off_t *at, size_t n) { REAL(sendfile); return full_fd(to) ? -1 : real(to, from, at, n); }
ssize_t sendfile64(int to, int from, off64_t *at, size_t n) { REAL(sendfile64); return full_fd(to) ? -1 : real(to, from, at, n); }
ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned int flags) {
  REAL(copy_file_range);
  return full_fd(to) ? -1 : real(from, a, to, b, n, flags);
}
int rename(const char *from, const char *to) { REAL(rename); return full_at(AT_FDCWD, to) ? -1 : real(from, to); }
int renameat(int a, const char *from, int b, const char *to) { REAL(renameat); return full_at(b, to) ? -1 : real(a, from, b, to); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return full_at(AT_FDCWD, path) ? -1 : real(path, mode); }
int mkdirat(int dir, const char *path, mode_t mode) { REAL(mkdirat); return full_at(dir, path) ? -1 : real(dir, path, mode); }
int link(const char *from, const char *to) { REAL(link); return full_at(AT_FDCWD, to) ? -1 : real(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { REAL(linkat); return full_at(b, to) ? -1 : real(a, from, b, to, flags); }
size_t fwrite(const void *from, size_t size, size_t n, FILE *file) { REAL(fwrite); return n && full_fd(fileno(file)) ? 0 : real(from, size, n, file); }

static int made(int dir, const char *path, int flags) {
  struct stat found;
  return armed && (flags & O_CREAT) && fstatat(dir, path, &found, 0) && full_at(dir, path);
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); }
int open(const char *path, int flags, ...) { MODE REAL(open); return made(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE REAL(open64); return made(AT_FDCWD, path, flags) ? -1 : real(path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE REAL(openat); return made(dir, path, flags) ? -1 : real(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE REAL(openat64); return made(dir, path, flags) ? -1 : real(dir, path, flags, mode); }
FILE *fopen(const char *path, const char *how) { REAL(fopen); return made(AT_FDCWD, path, how[0] == 'r' ? 0 : O_CREAT) ? NULL : real(path, how); }
FILE *fopen64(const char *path, const char *how) { REAL(fopen64); return made(AT_FDCWD, path, how[0] == 'r' ? 0 : O_CREAT) ? NULL : real(path, how); }
