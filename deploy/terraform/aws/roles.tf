# Who may do what: the pipeline writes events and rejections, the eraser and the expirer reach every
# prefix, analysts read all but restricted rows.

locals {
  prefixes = {
    pipeline = ["telemetry/events/*", "telemetry/rejections/*"]
    eraser   = ["telemetry/*"]
    expirer  = ["telemetry/*"]
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.prefixes

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${var.oidc_provider}:sub"
      values   = ["system:serviceaccount:${var.namespace}:telemetry-${each.key}"]
    }
  }
}

data "aws_iam_policy_document" "write" {
  for_each = local.prefixes

  statement {
    actions   = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [aws_s3_bucket.lake.arn]
  }

  statement {
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
    resources = [for prefix in each.value : "${aws_s3_bucket.lake.arn}/${prefix}"]
  }

  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.lake.arn]
  }
}

resource "aws_iam_role" "telemetry" {
  for_each           = local.prefixes
  name               = "telemetry-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
}

resource "aws_iam_role_policy" "telemetry" {
  for_each = local.prefixes
  name     = "lake"
  role     = aws_iam_role.telemetry[each.key].id
  policy   = data.aws_iam_policy_document.write[each.key].json
}

# Nobody reaches the lake without TLS.
data "aws_iam_policy_document" "transport" {
  statement {
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.lake.arn, "${aws_s3_bucket.lake.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "lake" {
  bucket     = aws_s3_bucket.lake.id
  policy     = data.aws_iam_policy_document.transport.json
  depends_on = [aws_s3_bucket_public_access_block.lake]
}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.lake.arn]
  }

  statement {
    actions = ["s3:GetObject"]
    resources = [
      "${aws_s3_bucket.lake.arn}/telemetry/events/*",
      "${aws_s3_bucket.lake.arn}/telemetry/rejections/*",
      "${aws_s3_bucket.lake.arn}/telemetry/rollups/*",
    ]
  }

  statement {
    actions   = ["kms:Decrypt"]
    resources = [aws_kms_key.lake.arn]
  }
}

resource "aws_iam_policy" "analysts" {
  name   = "telemetry-analysts"
  policy = data.aws_iam_policy_document.read.json
}
