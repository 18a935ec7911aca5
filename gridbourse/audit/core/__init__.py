"""Ground of the audit: events, findings, the registry, tariffs, money, holds."""
