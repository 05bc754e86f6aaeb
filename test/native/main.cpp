// The native tests' entry. doctest's own command line applies: `lightv-tests -tc="cgroup*"`.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
