# Keys in Secrets Manager (`[state] keys`). The names are bound, so that no account reaches the logins
# beside them. The expirer alone destroys; what a crash of it left, its next run finishes.

locals {
  keys = "telemetry/keys"
  # The partition and the account are those of the lake's own key.
  owner = split(":", aws_kms_key.lake.arn)
  destroys = {
    pipeline = []
    eraser   = []
    expirer  = ["secretsmanager:DeleteSecret"]
  }
}

data "aws_iam_policy_document" "keys" {
  for_each = local.destroys

  statement {
    actions = concat(each.value, [
      "secretsmanager:CreateSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "secretsmanager:UpdateSecretVersionStage",
    ])
    resources = [join(":", [
      "arn", local.owner[1], "secretsmanager", var.region, local.owner[4], "secret", "${local.keys}-*",
    ])]
  }
}

resource "aws_iam_role_policy" "keys" {
  for_each = local.destroys
  name     = "keys"
  role     = aws_iam_role.telemetry[each.key].id
  policy   = data.aws_iam_policy_document.keys[each.key].json
}
