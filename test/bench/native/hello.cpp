// The program that every contestant starts: static, one line, nothing else.
#include <unistd.h>

int main() {
  constexpr char text[] = "hello\n";
  return ::write(STDOUT_FILENO, text, sizeof text - 1) == sizeof text - 1 ? 0 : 1;
}
