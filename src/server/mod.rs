//! Floor 6: the composition root, the only module that names all others.
