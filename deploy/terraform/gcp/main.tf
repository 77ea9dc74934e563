# Lake, state and identities on Google Cloud. Nothing keeps what the pipeline deletes: no versions,
# no soft delete, no hold; and what nobody deletes, a lifecycle rule does.

terraform {
  required_version = ">= 1.6"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
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

data "google_storage_project_service_account" "storage" {}

resource "google_kms_key_ring" "telemetry" {
  name     = "telemetry"
  location = var.region
}

resource "google_kms_crypto_key" "lake" {
  name            = "lake"
  key_ring        = google_kms_key_ring.telemetry.id
  rotation_period = "7776000s"

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = google_kms_crypto_key.lake.id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${data.google_storage_project_service_account.storage.email_address}"
}

resource "google_storage_bucket" "lake" {
  name                        = "${var.name}-lake"
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  encryption {
    default_kms_key_name = google_kms_crypto_key.lake.id
  }

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # The backstop, should `telemetry expire` not have run. The custom time of a data file is the day
  # of its events, whenever it was written; the second rule, by age, is for files without one.
  # The log is beside the partitions, and stays.
  lifecycle_rule {
    condition {
      days_since_custom_time = var.backstop_days
      matches_prefix         = local.partitions
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age            = var.backstop_days
      matches_prefix = local.partitions
    }
    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_storage_bucket" "staging" {
  name                        = "${var.name}-staging"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  encryption {
    default_kms_key_name = google_kms_crypto_key.lake.id
  }

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    condition {
      age = 14
    }
    action {
      type = "Delete"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.storage]
}

resource "google_artifact_registry_repository" "images" {
  repository_id = "telemetry"
  location      = var.region
  format        = "DOCKER"
}
