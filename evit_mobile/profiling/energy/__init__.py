"""Energy per inference. One file per source; each reads counters or currents, and says where it can read nothing."""
