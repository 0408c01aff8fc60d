/* What the kernel says of this process, for the metrics that every exporter has. Reads /proc; any thread. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

struct process_figures {               /* below 0: not known */
	double cpu_s;                  /* user and system time */
	double start_s;                /* since 1970 */
	double memory, virtual_memory; /* bytes: resident, mapped */
	double descriptors, descriptors_max;
	double threads;
};

struct process_figures process_read(void);

#endif
