variable "region" {
  description = "Region of the lake: one, so that data does not leave it."
  type        = string
  default     = "eu-central-1"
}

variable "name" {
  description = "Prefix of the bucket's name, unique in the world."
  type        = string
}

variable "backstop_days" {
  description = "Age at which the bucket itself deletes a file."
  type        = number
  default     = 90

  validation {
    condition     = var.backstop_days >= 2 && var.backstop_days <= 90
    error_message = "The promise is 90 days."
  }
}

variable "oidc_provider" {
  description = "Host and path of the cluster's OIDC issuer, without https://."
  type        = string
}

variable "oidc_provider_arn" {
  description = "ARN of that provider in IAM."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the pods."
  type        = string
  default     = "telemetry"
}
