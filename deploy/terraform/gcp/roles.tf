# Who may do what. The pipeline adds files and cannot rewrite or remove a row; the eraser and the
# expirer remove; analysts read. Each is one service account, bound to the Kubernetes account of the
# same name.

locals {
  accounts = toset(["pipeline", "eraser", "expirer"])
}

resource "google_service_account" "telemetry" {
  for_each     = local.accounts
  account_id   = "telemetry-${each.key}"
  display_name = "Telemetry ${each.key}"
}

resource "google_service_account_iam_member" "pods" {
  for_each           = local.accounts
  service_account_id = google_service_account.telemetry[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/telemetry-${each.key}]"
}

# The pipeline deletes, too, but only what it staged itself and could not commit, and checkpoints'
# outdated log entries. Object stores cannot tell these apart by role, so the right is on prefixes.
resource "google_project_iam_custom_role" "writer" {
  role_id = "telemetryWriter"
  title   = "Telemetry writer"
  permissions = [
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
    "storage.multipartUploads.abort",
    "storage.multipartUploads.create",
    "storage.multipartUploads.list",
    "storage.multipartUploads.listParts",
  ]
}

resource "google_storage_bucket_iam_member" "writers" {
  for_each = local.accounts
  bucket   = google_storage_bucket.lake.name
  role     = google_project_iam_custom_role.writer.id
  member   = "serviceAccount:${google_service_account.telemetry[each.key].email}"

  dynamic "condition" {
    for_each = each.key == "pipeline" ? [1] : []
    content {
      title      = "events and rejections alone"
      expression = <<-EOT
        resource.type == "storage.googleapis.com/Bucket" ||
        resource.name.startsWith("projects/_/buckets/${google_storage_bucket.lake.name}/objects/telemetry/events/") ||
        resource.name.startsWith("projects/_/buckets/${google_storage_bucket.lake.name}/objects/telemetry/rejections/")
      EOT
    }
  }
}

resource "google_storage_bucket_iam_member" "analysts" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectViewer"
  member = "group:${var.analysts}"

  condition {
    title      = "not the restricted rows"
    expression = <<-EOT
      !resource.name.startsWith("projects/_/buckets/${google_storage_bucket.lake.name}/objects/telemetry/restricted/")
    EOT
  }
}

# Keys in Secret Manager (`[state] keys`). A right to create cannot be bound to names, so keep the
# keys in a project that holds nothing else where that matters. The expirer alone destroys; what a
# crash of it left, its next run finishes.
resource "google_project_iam_custom_role" "keys" {
  for_each = {
    pipeline = []
    eraser   = []
    expirer  = ["secretmanager.versions.destroy"]
  }
  role_id = "telemetryKeys${title(each.key)}"
  title   = "Telemetry keys, ${each.key}"
  permissions = concat(each.value, [
    "secretmanager.secrets.create",
    "secretmanager.secrets.get",
    "secretmanager.secrets.update",
    "secretmanager.versions.access",
    "secretmanager.versions.add",
  ])
}

resource "google_project_iam_member" "keys" {
  for_each = local.accounts
  project  = var.project
  role     = google_project_iam_custom_role.keys[each.key].id
  member   = "serviceAccount:${google_service_account.telemetry[each.key].email}"
}

# Dataflow: its workers run as the pipeline.
resource "google_project_iam_member" "dataflow_worker" {
  project = var.project
  role    = "roles/dataflow.worker"
  member  = "serviceAccount:${google_service_account.telemetry["pipeline"].email}"
}

resource "google_storage_bucket_iam_member" "dataflow_staging" {
  bucket = google_storage_bucket.staging.name
  role   = "roles/storage.objectAdmin"
  member = "serviceAccount:${google_service_account.telemetry["pipeline"].email}"
}

resource "google_artifact_registry_repository_iam_member" "dataflow_image" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${google_service_account.telemetry["pipeline"].email}"
}
