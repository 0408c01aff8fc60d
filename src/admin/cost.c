/* What a delivery costs at SNS and SQS. Reads counters only. */
#include "admin/cost.h"

#include <math.h>

uint64_t cost_requests(struct counters *counters)
{
	uint64_t requests = 0;

	for (int action = 0; action < AWS_ACTION_COUNT; action++)
		requests += counter_get(&counters->aws.requests[action]);
	return requests;
}

static double per_delivery(struct counters *counters, double amount)
{
	uint64_t delivered = 0;

	for (int id = 0; id < CHANNEL_COUNT; id++)
		delivered += counter_get(&counters->channel[id].delivered);
	return delivered ? amount / (double)delivered : (double)NAN;
}

double cost_requests_per_delivery(struct counters *counters)
{
	return per_delivery(counters, (double)cost_requests(counters));
}

double cost_usd_per_million(struct counters *counters)
{
	uint64_t published = counter_get(&counters->aws.requests[AWS_PUBLISH]);
	uint64_t others = cost_requests(counters) - published;

	/* A million deliveries take a million times the requests, and prices are of a million requests. */
	return per_delivery(counters, (double)published * COST_SNS_USD + (double)others * COST_SQS_USD);
}
