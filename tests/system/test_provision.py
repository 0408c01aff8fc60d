"""`usherd provision` against SNS and SQS (fauxqs) and a stand-in for CloudWatch: plan, apply, plan again."""

import functools
import json
import os
import pathlib
import re
import subprocess

import pytest

from support.cloud import ACCOUNT, ACTIONS_MAX, ALARM_LISTS, CREDENTIALS, REGION, Cloud
from support.daemon import ROOT, SANITIZER_OPTIONS

THINGS = ["topic user-signup",
          "queue signup-welcome-email-dlq", "queue signup-welcome-coupon-dlq",
          "queue signup-welcome-email", "queue signup-welcome-coupon",
          "subscription user-signup -> signup-welcome-email", "subscription user-signup -> signup-welcome-coupon",
          "alarm usher-signup-welcome-email-dlq-arrival", "alarm usher-signup-welcome-email-backlog",
          "alarm usher-signup-welcome-email-oldest",
          "alarm usher-signup-welcome-coupon-dlq-arrival", "alarm usher-signup-welcome-coupon-backlog",
          "alarm usher-signup-welcome-coupon-oldest", "alarm usher-user-signup-undelivered"]
LOOKING = {"GetCallerIdentity", "GetTopicAttributes", "GetQueueUrl", "GetQueueAttributes", "ListSubscriptionsByTopic",
           "GetSubscriptionAttributes", "DescribeAlarms"}
EMAIL, EMAIL_DLQ = "signup-welcome-email", "signup-welcome-email-dlq"
NOTHING = f"Nothing to do: all {len(THINGS)} things are as they should be."


@pytest.fixture
def cloud():
    one = Cloud(pathlib.Path(ROOT, "build", "aws"))
    yield one
    one.close()


@pytest.fixture
def provision(build, tmp_path, cloud):
    """provision("--plan", exit code, KEY=VALUE of the environment...) -> lines on standard output, or the error."""

    def run(how, code=0, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("USHER_", "AWS_"))}
        settings = {"USHER_BROKER_DRIVER": "aws", "USHER_AWS_REGION": REGION, "USHER_AWS_ENDPOINT_URL": cloud.url}
        done = subprocess.run([str(build / "usherd"), "provision", how], cwd=tmp_path, stdin=subprocess.DEVNULL,
                              env={**clean, **SANITIZER_OPTIONS, **CREDENTIALS, **settings, **environment},
                              capture_output=True, timeout=60, check=False, encoding="utf-8")
        assert done.returncode == code, done
        assert (done.stderr == "") == (code in (0, 3)), done.stderr
        assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr
        return done.stderr if done.stderr else done.stdout.splitlines()

    return run


def test_plan_on_nothing_lists_everything_and_does_nothing(provision, cloud):
    lines = provision("--plan", 3)
    assert lines[0] == f"Account {ACCOUNT}, region {REGION}, as arn:aws:iam::{ACCOUNT}:root"
    assert [line[2:] for line in lines if line.startswith("+ ")] == THINGS
    assert "    VisibilityTimeout = 60" in lines and "    ReceiveMessageWaitTimeSeconds = 20" in lines
    assert lines[-1].startswith(f"{len(THINGS)} to create, 0 to change, nothing to delete.")
    assert set(cloud.calls) <= LOOKING
    assert provision("--plan", 3) == lines


def test_apply_makes_everything_and_then_there_is_nothing_to_do(provision, cloud):
    assert provision("--apply")[1:] == [f"created {thing}" for thing in THINGS]
    assert provision("--plan")[1:] == [NOTHING]
    cloud.calls.clear()
    assert provision("--apply")[1:] == [NOTHING]
    assert set(cloud.calls) <= LOOKING


def test_what_is_made_is_what_the_design_says(provision, cloud):
    provision("--apply")
    queue = cloud.queue(EMAIL, "RedrivePolicy", "Policy", "MessageRetentionPeriod", "SqsManagedSseEnabled", "QueueArn")
    dlq = cloud.queue(EMAIL_DLQ, "RedriveAllowPolicy", "Policy", "QueueArn")
    assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == dlq["QueueArn"]
    assert json.loads(dlq["RedriveAllowPolicy"]) == {"redrivePermission": "byQueue", "sourceQueueArns": [queue["QueueArn"]]}
    allow, deny = json.loads(queue["Policy"])["Statement"]
    assert allow["Action"] == "sqs:SendMessage" and allow["Principal"] == {"Service": "sns.amazonaws.com"}
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:user-signup"}}
    assert deny["Effect"] == "Deny" and deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert [one["Effect"] for one in json.loads(dlq["Policy"])["Statement"]] == ["Deny"]
    assert queue["MessageRetentionPeriod"] == "1209600" and queue["SqsManagedSseEnabled"] == "true"
    alarm = cloud.alarms["usher-signup-welcome-email-dlq-arrival"]
    assert (alarm["Dimensions.member.1.Value"], alarm["Threshold"]) == (EMAIL_DLQ, "0")
    alarm = cloud.alarms["usher-user-signup-undelivered"]     # one message that SNS gave up, in one minute
    assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/SNS", "NumberOfNotificationsFailed", "Sum")
    assert (alarm["Dimensions.member.1.Name"], alarm["Dimensions.member.1.Value"]) == ("TopicName", "user-signup")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", "0")
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == ("60", "5", "1")
    assert alarm["TreatMissingData"] == "notBreaching"


def test_a_message_to_the_topic_comes_raw_to_both_queues(provision, cloud):
    provision("--apply")
    cloud.sns("Publish", TopicArn=f"arn:aws:sns:{REGION}:{ACCOUNT}:user-signup", Message="welcome")
    for name in (EMAIL, "signup-welcome-coupon"):
        url = cloud.sqs("GetQueueUrl", QueueName=name)["QueueUrl"]
        assert [one["Body"] for one in cloud.sqs("ReceiveMessage", QueueUrl=url)["Messages"]] == ["welcome"]


def test_a_changed_attribute_is_one_line_and_is_put_right(provision, cloud):
    provision("--apply")
    cloud.change(EMAIL, VisibilityTimeout="30", DelaySeconds="7")
    line = f"queue {EMAIL}: VisibilityTimeout: 30 -> 60"
    caution = f"! queue {EMAIL}: DelaySeconds = 7: each message waits so long before it is delivered"
    assert provision("--plan", 3)[1:] == [
        caution, f"~ {line}", "0 to create, 1 to change, nothing to delete. usherd provision --apply does it."]
    assert provision("--apply")[1:] == [caution, f"changed {line}"]
    assert provision("--plan")[1:] == [caution, NOTHING]
    assert cloud.queue(EMAIL)["DelaySeconds"] == "7"     # not ours


def test_what_keeps_sign_ups_back_is_told_and_left(provision, cloud):
    """Of a queue and a subscription that somebody else has made: no difference, and not as it was meant either."""
    provision("--apply")
    cloud.change(EMAIL, MaximumMessageSize="1024")
    cloud.filter("signup-welcome-coupon", '{"plan":["gold"]}')
    told = ["! queue signup-welcome-email: MaximumMessageSize = 1024: the queue takes no larger message; SNS drops those sign-ups",
            "! subscription user-signup -> signup-welcome-coupon: FilterPolicy = {\"plan\":[\"gold\"]}: "
            "SNS sends the queue only what matches it, and drops the rest without a word"]
    assert provision("--plan")[1:] == [*told, NOTHING]
    assert provision("--apply")[1:] == [*told, NOTHING]


def test_a_key_that_sns_may_not_use_is_an_error(provision, cloud):
    provision("--apply")
    cloud.change(EMAIL_DLQ, KmsMasterKeyId="alias/aws/sqs", SqsManagedSseEnabled="false")    # the worker may send there
    assert provision("--plan")[1:] == [NOTHING]
    cloud.change(EMAIL, KmsMasterKeyId="alias/aws/sqs", SqsManagedSseEnabled="false")
    for how in ("--plan", "--apply"):
        assert f"queue {EMAIL} is encrypted with alias/aws/sqs, a key that AWS manages" in provision(how, 1)
    changed = provision("--apply", USHER_AWS_KMS_KEY_ID="alias/usher")
    assert f"changed queue {EMAIL}: KmsMasterKeyId: alias/aws/sqs -> alias/usher" in changed


def test_who_gives_a_key_is_told_what_it_needs(provision, cloud):
    needs = "! SNS sends to the queues only if the policy of the key alias/{} lets it: usher-aws(7) has the statement"
    old = "! queue {}: keep the key alias/usher for 14 days: what stands in the queue is encrypted with it"
    assert needs.format("usher") in provision("--apply", USHER_AWS_KMS_KEY_ID="alias/usher")
    assert provision("--plan", USHER_AWS_KMS_KEY_ID="alias/usher")[1:] == [NOTHING]
    changed = provision("--plan", 3, USHER_AWS_KMS_KEY_ID="alias/new")
    assert needs.format("new") in changed and {old.format(EMAIL), old.format(EMAIL_DLQ)} < set(changed)


def test_a_topic_may_have_any_number_of_other_attributes(provision, cloud):
    key = {"USHER_AWS_KMS_KEY_ID": "alias/usher"}
    provision("--apply", **key)
    cloud.more_of_topics = {f"Protocol{n}FailureFeedbackRoleArn": "arn:aws:iam::1:role/log" for n in range(40)}
    assert provision("--plan", **key)[1:] == [NOTHING]


def test_policies_are_compared_by_what_they_mean(provision, cloud):
    provision("--apply")
    policy = json.loads(cloud.queue(EMAIL)["Policy"])
    policy["Statement"].reverse()
    for statement in policy["Statement"]:
        statement["Action"] = [statement["Action"]]
        if statement["Principal"] == "*":
            statement["Principal"] = {"AWS": "*"}
    redrive = json.loads(cloud.queue(EMAIL)["RedrivePolicy"])
    redrive["maxReceiveCount"] = str(redrive["maxReceiveCount"])
    cloud.change(EMAIL, Policy=json.dumps(policy, indent=2), RedrivePolicy=json.dumps(redrive))
    assert provision("--plan")[1:] == [NOTHING]
    policy["Statement"].pop()
    cloud.change(EMAIL, Policy=json.dumps(policy))
    assert [line for line in provision("--plan", 3) if line.startswith(f"~ queue {EMAIL}: Policy: ")]


def test_an_alarm_keeps_what_is_its_owners(provision, cloud):
    provision("--apply")
    alarm = cloud.alarms["usher-signup-welcome-email-backlog"]
    alarm.update({"AlarmActions.member.1": "arn:aws:sns:x:1:call-kim", "AlarmDescription": "see the runbook",
                  "OKActions.member.1": "arn:aws:sns:x:1:all-well", "ActionsEnabled": "false"})
    alarm.update({"Threshold": "25000", "EvaluationPeriods": "2", "DatapointsToAlarm": "2"})
    assert provision("--plan")[1:] == [NOTHING]
    alarm["Period"] = "300"
    assert provision("--plan", 3)[1] == "~ alarm usher-signup-welcome-email-backlog: Period: 300 -> 60"
    provision("--apply")
    alarm = cloud.alarms["usher-signup-welcome-email-backlog"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == ("60", "2", "2")
    assert float(alarm["Threshold"]) == 25000 and alarm["AlarmDescription"] == "see the runbook"
    assert alarm["ActionsEnabled"] == "false"
    assert sorted(v for k, v in alarm.items() if "Actions.member." in k) == ["arn:aws:sns:x:1:all-well",
                                                                           "arn:aws:sns:x:1:call-kim"]
    assert provision("--plan")[1:] == [NOTHING]


def actions(most):
    """Of an alarm, as they are put: that many in each list."""
    return {f"{name}.member.{n}": f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}-{n}" for name in ALARM_LISTS for n in range(1, most + 1)}


def test_an_alarm_whose_threshold_comes_of_the_configuration_is_put_right(provision, cloud):
    provision("--apply")
    name = "usher-signup-welcome-email-oldest"
    want = cloud.alarms[name]["Threshold"]
    cloud.alarms[name]["Threshold"] = "5"
    assert provision("--apply")[1:] == [f"changed alarm {name}: Threshold: 5.0 -> {want}"]
    assert cloud.alarms[name]["Threshold"] == want


@pytest.mark.parametrize("name", ["usher-signup-welcome-email-backlog", "usher-user-signup-undelivered"])
def test_an_alarm_keeps_all_the_actions_that_it_can_have(provision, cloud, name):
    provision("--apply")
    cloud.alarms[name].update({**actions(ACTIONS_MAX), "Unit": "Count", "DatapointsToAlarm": "4"})
    assert provision("--plan")[1:] == [NOTHING]
    cloud.alarms[name]["Statistic"] = "Minimum"
    assert provision("--apply")[1:][0].startswith(f"changed alarm {name}: Statistic: Minimum -> ")
    alarm = cloud.alarms[name]
    assert {key: value for key, value in alarm.items() if "Actions.member." in key} == actions(ACTIONS_MAX)
    assert (alarm["Unit"], alarm["DatapointsToAlarm"]) == ("Count", "4")
    assert provision("--plan")[1:] == [NOTHING]


def test_more_actions_than_there_is_room_for_are_an_error_and_not_forgotten(provision, cloud):
    provision("--apply")
    name = "usher-signup-welcome-email-backlog"
    cloud.alarms[name].update(actions(2 * ACTIONS_MAX))     # should CloudWatch allow that one day
    for how in ("--plan", "--apply"):
        assert f"alarm {name} has more than {ACTIONS_MAX} actions of a kind" in provision(how, 1)
    assert actions(2 * ACTIONS_MAX).items() <= cloud.alarms[name].items()


def test_configuration_decides(provision, cloud):
    provision("--apply")
    lines = provision("--plan", 3, USHER_CHANNEL_EMAIL_VISIBILITY_TIMEOUT="90s", USHER_AWS_KMS_KEY_ID="alias/usher",
                      USHER_CHANNEL_COUPON_ENABLED="no")
    assert "~ topic user-signup: KmsMasterKeyId: (not set) -> alias/usher" in lines
    assert f"~ queue {EMAIL}: VisibilityTimeout: 60 -> 90" in lines
    assert f"~ queue {EMAIL_DLQ}: KmsMasterKeyId: (not set) -> alias/usher" in lines
    assert not [line for line in lines if "coupon" in line]     # neither changed nor deleted


def test_fifo(provision, cloud):
    names = {"USHER_AWS_TOPIC": "user-signup.fifo"}
    for channel in ("EMAIL", "COUPON"):
        names[f"USHER_CHANNEL_{channel}_QUEUE"] = f"{channel.lower()}.fifo"
        names[f"USHER_CHANNEL_{channel}_DLQ"] = f"{channel.lower()}-dlq.fifo"
    provision("--apply", **names)
    assert provision("--plan", **names)[1:] == [NOTHING]
    queue = cloud.queue("email.fifo")
    assert queue["FifoQueue"] == "true" and queue["ContentBasedDeduplication"] == "false"
    assert cloud.alarms["usher-user-signup.fifo-undelivered"]["Dimensions.member.1.Value"] == "user-signup.fifo"
    names["USHER_AWS_TOPIC"] = "user-signup"
    assert "cannot send to the FIFO queue email.fifo" in provision("--plan", 1, **names)


ENDPOINTS = [f"AWS_ENDPOINT_URL_{service}" for service in ("STS", "SNS", "SQS", "CLOUDWATCH")]


def test_each_service_has_an_endpoint_in_the_environment(provision, cloud):
    everywhere = {"USHER_AWS_ENDPOINT_URL": "", **dict.fromkeys(ENDPOINTS, cloud.url)}
    assert provision("--apply", **everywhere)[1:] == [f"created {thing}" for thing in THINGS]
    for name, action in zip(ENDPOINTS, ("GetCallerIdentity", "GetTopicAttributes", "GetQueueUrl", "DescribeAlarms")):
        cloud.calls.clear()
        assert "http://127.0.0.1:9/ cannot be reached" in provision("--plan", 1, **{**everywhere, name: "http://127.0.0.1:9"})
        assert action not in cloud.calls
    bad = provision("--plan", 1, **{**everywhere, ENDPOINTS[3]: "monitoring.internal"})
    assert 'environment AWS_ENDPOINT_URL_CLOUDWATCH: "monitoring.internal" is not allowed; use http:// or https://...' in bad


@pytest.mark.parametrize("environment", [
    pytest.param(lambda url: {}, id="configured"),
    pytest.param(lambda url: {"USHER_AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL": url}, id="environment"),
])
def test_an_endpoint_without_cloudwatch_gets_no_alarms(provision, cloud, environment):
    cloud.has_cloudwatch = False
    provision = functools.partial(provision, **environment(cloud.url))
    lines = provision("--plan", 3)
    assert lines[1] == "The endpoint knows no CloudWatch: the alarms are left out."
    assert [line[2:] for line in lines if line.startswith("+ ")] == THINGS[:7]
    provision("--apply")
    assert provision("--plan")[2] == "Nothing to do: all 7 things are as they should be."


@pytest.mark.parametrize("how, action, kind, permission", [
    ("--plan", "GetTopicAttributes", "AuthorizationError", "sns:GetTopicAttributes"),
    ("--plan", "GetQueueAttributes", "AccessDeniedException", "sqs:GetQueueAttributes"),
    ("--apply", "CreateQueue", "AccessDenied", "sqs:CreateQueue"),
    ("--apply", "PutMetricAlarm", "AccessDenied", "cloudwatch:PutMetricAlarm"),
])
def test_a_refusal_names_who_and_what(provision, cloud, how, action, kind, permission):
    if action == "GetQueueAttributes":
        provision("--apply")
    words = f"User: arn:aws:iam::1:user/kim is not authorized to perform: {permission}"
    cloud.refuse(action, 403, kind, words)
    error = provision(how, 1)
    assert words in error and kind in error
    assert f"The role of arn:aws:iam::{ACCOUNT}:root needs the permission {permission}" in error
    assert "conf/iam/provisioner.json" in error


def test_what_was_done_before_a_refusal_stays_and_is_gone_on_from(provision, cloud):
    cloud.refuse("Subscribe", 403, "AuthorizationError", "not you")
    provision("--apply", 1)
    cloud.refusals.clear()
    assert [line for line in provision("--apply") if line.startswith("created")] == [f"created {one}" for one in THINGS[5:]]
    assert provision("--plan")[1:] == [NOTHING]


def test_expired_credentials_are_called_so(provision, cloud):
    cloud.refuse("GetCallerIdentity", 403, "ExpiredToken", "The security token included in the request is expired")
    error = provision("--plan", 1)
    assert "sts GetCallerIdentity" in error and "ExpiredToken" in error and "renew them" in error
    assert "needs the permission" not in error


def test_needs_credentials_and_a_region_and_the_aws_driver(provision):
    assert "AWS_ACCESS_KEY_ID" in provision("--plan", 1, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", HOME="/nonexistent")
    assert "[aws] region is needed" in provision("--plan", 1, USHER_AWS_REGION="")
    provision("--plan", 3, USHER_AWS_REGION="", AWS_REGION=REGION)
    error = provision("--plan", 1, USHER_BROKER_DRIVER="embedded")
    assert "the embedded broker makes its queues by itself" in error


def test_the_policies_are_json_that_names_only_what_provisioning_and_the_daemon_use():
    actions = {}
    for path in sorted(pathlib.Path(ROOT, "conf", "iam").glob("*.json")):
        policy = json.loads(path.read_text(encoding="utf-8"))
        assert policy["Version"] == "2012-10-17"
        actions[path.stem] = set()
        for statement in policy["Statement"]:
            assert statement["Effect"] == "Allow" and statement["Sid"]
            actions[path.stem].update(statement["Action"])
    assert sorted(actions) == ["provisioner", "publisher", "worker"]
    assert not [action for role in actions.values() for action in role if "*" in action or "Delete" in action
                and action != "sqs:DeleteMessage"]
    manual = pathlib.Path(ROOT, "man", "usher-aws.7").read_text(encoding="utf-8")
    told = set(re.findall(r"^\.It ((?:sns|sqs|kms|cloudwatch):\w+)$", manual, re.M))
    assert told == set().union(*actions.values())
