// Which build of a program this process runs: what two processes compare that were started from
// executables of the same name.
#pragma once

#include <string>

namespace cohort {

/// "build ID", by the linker's note NT_GNU_BUILD_ID of the running executable, or "executable HASH
/// (it has no build id)", over what is loaded of the file: code, constants and initial values. Read
/// once in a process. Throws std::runtime_error where there is no note and the file cannot be read.
[[nodiscard]] std::string const& executable_identity();

}  // namespace cohort
