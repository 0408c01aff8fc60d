/* The files of sql/, compiled in by the Makefile in the order of their numbers. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

struct schema_file {
	const char *name, *sql;
};
extern const struct schema_file schema_files[];
extern const unsigned schema_file_count;

#endif
