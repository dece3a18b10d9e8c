//! Floor 5: the control plane, an axum router: health, models, metrics, admin.
