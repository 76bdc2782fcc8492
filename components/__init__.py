"""Parts of hardway. Each module is one part of a cluster; `config` and `topology` are pure."""
