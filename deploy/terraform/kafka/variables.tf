variable "servers" {
  description = "Addresses of brokers, host:port, with TLS."
  type        = list(string)
}

variable "pipeline_user" {
  description = "Principal of `telemetry run`, without `User:`."
  type        = string
  default     = "telemetry-pipeline"
}

variable "requests_user" {
  description = "Principal of `telemetry requests` and `telemetry erase`, without `User:`."
  type        = string
  default     = "telemetry-requests"
}

variable "partitions" {
  description = "Partitions of each topic of raw events; a partition is read by one worker at a time."
  type        = number
  default     = 8
}

variable "replicas" {
  description = "Copies of each partition."
  type        = number
  default     = 3
}
