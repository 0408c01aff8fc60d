/* What a delivery costs at SNS and SQS, from the counted requests. Pure; any thread. */
#ifndef ADMIN_COST_H
#define ADMIN_COST_H

#include "engine/status.h"

/* US dollars a million requests, standard queues and topics, first paid tier (us-east-1); deliveries from SNS
 * to SQS are free. Other regions and tiers differ: it is an estimate, and is called one. */
#define COST_SQS_USD 0.40
#define COST_SNS_USD 0.50

uint64_t cost_requests(struct counters *counters);
/* NAN until something was delivered. */
double cost_requests_per_delivery(struct counters *counters);
double cost_usd_per_million(struct counters *counters); /* deliveries */

#endif
