//! Floor 2: metric families and the access log.
