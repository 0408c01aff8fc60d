/* What the kernel says of this process: /proc/self/stat, see proc(5), /proc/self/fd and the limits. */
#include "base/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STAT_MAX 1024 /* bytes of /proc/self/stat: 52 numbers and a short name */

static double clock_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	for (const struct dirent *entry; (entry = readdir(dir));)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* the directory's own */
}

static double limit_of_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	return (double)limit.rlim_cur;
}

/* Fields of /proc/self/stat by their numbers in proc(5). */
enum { FIRST_NUMBER = 4, UTIME = 14, STIME = 15, THREADS = 20, STARTTIME = 22, VSIZE = 23, RSS = 24, FIELDS };

/* "PID (NAME) STATE NUMBER NUMBER ...": the name may hold anything, so it is the last ')' that ends it. */
static bool fields_read(double fields[FIELDS])
{
	char text[STAT_MAX];
	FILE *file = fopen("/proc/self/stat", "re");

	if (!file)
		return false;
	size_t n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	char *at = strrchr(text, ')');
	if (!at || strlen(at) < 4)
		return false;
	at += 3;
	for (int i = FIRST_NUMBER; i < FIELDS; i++) {
		char *end;
		fields[i] = strtod(at, &end);
		if (end == at)
			return false;
		at = end;
	}
	return true;
}

static void stat_read(struct process_figures *f)
{
	double fields[FIELDS], hz = (double)sysconf(_SC_CLK_TCK);

	if (!fields_read(fields))
		return;
	f->cpu_s = (fields[UTIME] + fields[STIME]) / hz;
	f->threads = fields[THREADS];
	/* It is counted from when the machine came up. */
	f->start_s = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_BOOTTIME) + fields[STARTTIME] / hz;
	f->virtual_memory = fields[VSIZE];
	f->memory = fields[RSS] * (double)sysconf(_SC_PAGESIZE);
}

struct process_figures process_read(void)
{
	struct process_figures f = { -1, -1, -1, -1, -1, -1, -1 };

	stat_read(&f);
	f.descriptors = count_descriptors();
	f.descriptors_max = limit_of_descriptors();
	return f;
}
