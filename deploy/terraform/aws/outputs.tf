# What the overlay calls `replace-me` or 000000000000 (deploy/kubernetes/overlays/aws):
# `terraform output -raw lake_path`.

output "lake_path" {
  description = "[lake] path of telemetry.toml."
  value       = "s3://${aws_s3_bucket.lake.id}/telemetry"
}

output "region" {
  description = "AWS_REGION of [lake.storage]."
  value       = var.region
}

output "kms_key" {
  description = "aws_sse_kms_key_id of [lake.storage]."
  value       = aws_kms_key.lake.arn
}

output "service_accounts" {
  description = "Annotation eks.amazonaws.com/role-arn of each account of service-account.yaml."
  value       = { for name, role in aws_iam_role.telemetry : "telemetry-${name}" => role.arn }
}

output "keys" {
  description = "[state] keys of telemetry.toml, where keys are to be in Secrets Manager."
  value       = "aws-sm:${var.region}/${local.keys}"
}
