//! Floor 2: peers. DNS discovery, health, cooldown, TLS and pools of each origin.
