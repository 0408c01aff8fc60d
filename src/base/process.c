/* What the kernel says of this process: /proc/self/stat, see proc(5), /proc/self/fd and the limits. */
#include "base/process.h"

#include <dirent.h>
#include <stdio.h>
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

static void stat_read(struct process_figures *f)
{
	char text[STAT_MAX];
	FILE *file = fopen("/proc/self/stat", "re");
	double user, system, threads, start, mapped, resident, hz = (double)sysconf(_SC_CLK_TCK);

	if (!file)
		return;
	size_t n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
	if (!rest ||
	        sscanf(rest + 1,
	                " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf %*s %*s %*s %*s %lf %*s %lf "
	                "%lf %lf",
	                &user, &system, &threads, &start, &mapped, &resident) != 6)
		return;
	f->cpu_s = (user + system) / hz;
	f->threads = threads;
	/* It is counted from when the machine came up. */
	f->start_s = clock_s(CLOCK_REALTIME) - clock_s(CLOCK_BOOTTIME) + start / hz;
	f->virtual_memory = mapped;
	f->memory = resident * (double)sysconf(_SC_PAGESIZE);
}

struct process_figures process_read(void)
{
	struct process_figures f = { -1, -1, -1, -1, -1, -1, -1 };

	stat_read(&f);
	f.descriptors = count_descriptors();
	f.descriptors_max = limit_of_descriptors();
	return f;
}
