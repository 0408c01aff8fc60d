/* The inside of alarm.h, for its own files only: a row of the table alarm as they all read it. */
#ifndef STORE_ALARM_PARTS_H
#define STORE_ALARM_PARTS_H

#include "store/alarm.h"

#define ALARM_COLUMNS                                                                                        \
	"a.id, a.name, a.channel, a.severity, a.state, a.raised_at, a.cleared_at, "                          \
	"CAST(ROUND(a.value * 1000) AS SIGNED), a.text, a.acked_by, a.acked_at, a.ack_reason"
#define ALARM_VALUE_SCALE 1000.0 /* a figure is kept to its thousandth: what an int64_t carries safely */

/* From the column `first` on; without the reason, which is the last. */
void alarm_row_read(const struct rows *rows, unsigned first, struct alarm_row *row);
#define ALARM_COLUMN_REASON 11

#endif
