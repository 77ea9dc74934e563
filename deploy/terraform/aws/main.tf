# Lake and identities on AWS. Nothing keeps what the pipeline deletes: versioning was never on, and
# what nobody deletes, a lifecycle rule does.

terraform {
  required_version = ">= 1.6"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

provider "aws" {
  region = var.region
}

locals {
  events = ["api_request", "error_log", "feature_use", "session"]
  partitions = flatten([
    for event in local.events : [
      "telemetry/events/${event}/event_date=",
      "telemetry/restricted/${event}/event_date=",
    ]
  ])
}

resource "aws_kms_key" "lake" {
  description         = "Telemetry lake"
  enable_key_rotation = true
}

resource "aws_s3_bucket" "lake" {
  bucket = "${var.name}-lake"
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.lake.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = "Disabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  # The backstop, should `telemetry expire` not have run. S3 counts from the writing of a file, and
  # a sealed file is younger than its events: `telemetry audit` watches the partitions.
  # The log is beside the partitions, and stays.
  dynamic "rule" {
    for_each = toset(local.partitions)
    content {
      id     = "backstop-${replace(rule.value, "/", "-")}"
      status = "Enabled"

      filter {
        prefix = rule.value
      }

      expiration {
        days = var.backstop_days
      }
    }
  }

  rule {
    id     = "multipart"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
