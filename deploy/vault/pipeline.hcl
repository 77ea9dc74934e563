# Rights of the pipeline and of whoever carries out rights requests, for keys at
# `[state] keys = "vault:secret/telemetry/keys"`: everything but to destroy a key.
#
#   vault policy write telemetry-pipeline deploy/vault/pipeline.hcl

path "secret/data/telemetry/keys-*" {
  capabilities = ["create", "read", "update"]
}
