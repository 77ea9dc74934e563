# What pods log on to the brokers with: one pair for the pipeline, which only reads, and one for the
# requests, which write the opt-out list. Their values are put in by hand.

locals {
  kafka_secrets = {
    kafka-username          = "pipeline"
    kafka-password          = "pipeline"
    kafka-requests-username = "eraser"
    kafka-requests-password = "eraser"
  }
}

resource "aws_secretsmanager_secret" "kafka" {
  for_each   = local.kafka_secrets
  name       = "telemetry-${each.key}"
  kms_key_id = aws_kms_key.lake.arn
}

data "aws_iam_policy_document" "kafka" {
  for_each = toset(values(local.kafka_secrets))

  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [for name, role in local.kafka_secrets : aws_secretsmanager_secret.kafka[name].arn if role == each.key]
  }
}

resource "aws_iam_role_policy" "kafka" {
  for_each = toset(values(local.kafka_secrets))
  name     = "kafka"
  role     = aws_iam_role.telemetry[each.key].id
  policy   = data.aws_iam_policy_document.kafka[each.key].json
}
