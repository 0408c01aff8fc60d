/* A private SNS and SQS server for tests (tests/aws/server.mjs), and what they need on it. */
#ifndef CONTRACT_AWS_FIXTURE_H
#define CONTRACT_AWS_FIXTURE_H

#include "broker/aws.h"

#define AWS_FIXTURE_REGION "us-east-1"

extern const char *const aws_fixture_environment[]; /* credentials that are none's */

void aws_fixture_start(void); /* ends the test program when it cannot */
void aws_fixture_stop(void);
const char *aws_fixture_endpoint(void);

void aws_fixture_topic(const char *name);
void aws_fixture_queue(const char *name, const char *dlq, int max_receive_count); /* dlq NULL: none */
void aws_fixture_drop(const char *queue);
void aws_fixture_subscribe(const char *topic, const char *queue); /* raw */

#endif
