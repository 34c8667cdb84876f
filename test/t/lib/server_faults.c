/*
 * Faults of a machine, for one server alone: loaded before it (LD_PRELOAD), told what to do by a
 * page that the file SERVER_FAULTS holds and a test writes: how far the wall clock is set off, and
 * which files find no room. test/t/057_server_faults.pl.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SLICE_NS 20000000L

typedef struct Faults
{
	int64_t clock_s;   /* seconds that the wall clock is off */
	int64_t wal_full;  /* no room below pg_wal/ */
	int64_t stat_full; /* no room below pg_stat/ */
} Faults;

static volatile Faults *faults;

__attribute__((constructor)) static void
attach(void)
{
	const char *path = getenv("SERVER_FAULTS");
	int fd = path ? open(path, O_RDONLY) : -1;
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(Faults), PROT_READ, MAP_SHARED, fd, 0);

	if (page != MAP_FAILED)
		faults = page;
	if (fd >= 0)
		close(fd);
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	int result;

	if (!real)
		real = REAL(clock_gettime);
	result = real(clock, now);
	if (faults && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += faults->clock_s;
	return result;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void) zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	now->tv_sec = precise.tv_sec;
	now->tv_usec = precise.tv_nsec / 1000;
	return 0;
}

time_t
time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}

int
timespec_get(struct timespec *now, int base)
{
	clock_gettime(CLOCK_REALTIME, now);
	return base;
}

/*
 * librdkafka's threads wait until a moment of the wall clock: as the kernel does, such a wait is
 * measured by the clock as it is set while it lasts, so it is taken in slices.
 */
int
cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until)
{
	static int (*real)(cnd_t *, mtx_t *, const struct timespec *);

	if (!real)
		real =
			(int (*)(cnd_t *, mtx_t *, const struct timespec *)) dlsym(RTLD_NEXT, "cnd_timedwait");
	for (;;)
	{
		struct timespec now;
		struct timespec slice;
		long long rest;
		int result;

		clock_gettime(CLOCK_REALTIME, &now);
		rest = (until->tv_sec - now.tv_sec) * 1000000000LL + until->tv_nsec - now.tv_nsec;
		if (rest < 0)
			rest = 0;
		if (rest > SLICE_NS)
			rest = SLICE_NS;
		if (faults)
			now.tv_sec -= faults->clock_s;
		slice.tv_sec = now.tv_sec + (now.tv_nsec + rest) / 1000000000L;
		slice.tv_nsec = (now.tv_nsec + rest) % 1000000000L;
		result = real(cond, mutex, &slice);
		if (result != thrd_timedout)
			return result;
		clock_gettime(CLOCK_REALTIME, &now);
		if (now.tv_sec > until->tv_sec ||
			(now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec))
			return thrd_timedout;
	}
}

static int
is_full(int fd)
{
	char link[64];
	char path[4096];
	ssize_t n;

	if (!faults || !faults->wal_full)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = 0;
	if (!strstr(path, "/pg_wal/"))
		return 0;
	errno = ENOSPC;
	return 1;
}

ssize_t
pwrite(int fd, const void *buffer, size_t n, off_t offset)
{
	return is_full(fd) ? -1 : REAL(pwrite)(fd, buffer, n, offset);
}

ssize_t
pwritev(int fd, const struct iovec *vectors, int n, off_t offset)
{
	return is_full(fd) ? -1 : REAL(pwritev)(fd, vectors, n, offset);
}

FILE *
fopen(const char *restrict path, const char *restrict mode)
{
	if (faults && faults->stat_full && strstr(path, "pg_stat/") && mode[0] == 'w')
	{
		errno = ENOSPC;
		return NULL;
	}
	return REAL(fopen)(path, mode);
}
