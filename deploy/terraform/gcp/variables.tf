variable "project" {
  description = "Project of the lake."
  type        = string
}

variable "region" {
  description = "Region of buckets, keys and jobs: one, so that data does not leave it."
  type        = string
  default     = "europe-west4"
}

variable "name" {
  description = "Prefix of bucket names, unique in the world."
  type        = string
}

variable "backstop_days" {
  description = "Age at which the bucket itself deletes a data file."
  type        = number
  default     = 90

  validation {
    condition     = var.backstop_days >= 2 && var.backstop_days <= 90
    error_message = "The promise is 90 days."
  }
}

variable "analysts" {
  description = "Group of people who read the lake."
  type        = string
}

variable "namespace" {
  description = "Kubernetes namespace of the pods."
  type        = string
  default     = "telemetry"
}
