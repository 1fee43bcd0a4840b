// The limit of a worker: a small C++ program, linked dynamically, that answers bytes on the socket
// whose number is its argument, until that socket ends.
#include <string>

#include <sys/socket.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int const socket = std::stoi(argv[1]);
  char byte = 0;
  while (::recv(socket, &byte, 1, 0) == 1) {
    if (::send(socket, &byte, 1, MSG_NOSIGNAL) != 1) return 1;
  }
  return 0;
}
