/* What the kernel says of this process: /proc/self/stat, see proc(5), /proc/self/fd and the limits. */
#include "base/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STAT_MAX 1024 /* bytes of /proc/self/stat: 52 numbers and a short name */
#define BOOT_MAX 8192 /* bytes of /proc/stat up to its btime are fewer, but for its line of interrupts */

/* Seconds since 1970 at which this machine came up; below 0: not known. */
static double boot_s(void)
{
	char line[BOOT_MAX];
	double at = -1;
	FILE *file = fopen("/proc/stat", "re");

	if (!file)
		return -1;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "btime %lf", &at) == 1)
			break;
	fclose(file);
	return at;
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
	double boot = boot_s();
	if (!rest ||
	        sscanf(rest + 1,
	                " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lf %lf %*s %*s %*s %*s %lf %*s %lf "
	                "%lf %lf",
	                &user, &system, &threads, &start, &mapped, &resident) != 6)
		return;
	f->cpu_s = (user + system) / hz;
	f->threads = threads;
	f->start_s = boot < 0 ? -1 : boot + start / hz;
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
