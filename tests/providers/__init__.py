"""Real OpenID providers for tests: two written by others, and a hostile one of ours."""
