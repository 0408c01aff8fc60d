/* Results as the rest of store/ reads them (declared in db.h). Only db.c makes them. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/db.h"

#include <mysql.h>

struct rows *rows_new(MYSQL_RES *result); /* takes the result over; NULL is a result without rows */

#endif
