//! Floor 5: the data plane, a Pingora adapter without policy of its own.
