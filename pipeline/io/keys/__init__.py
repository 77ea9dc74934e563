"""Where keys live: the port, the local folder, a cloud's secret manager."""
