# Rights of the account that runs `telemetry expire`: it alone destroys keys.
#
#   vault policy write telemetry-expirer deploy/vault/expirer.hcl

path "secret/data/telemetry/keys-*" {
  capabilities = ["create", "read", "update"]
}

path "secret/destroy/telemetry/keys-*" {
  capabilities = ["update"]
}
