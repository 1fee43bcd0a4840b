#include "core/archive.h"

#include <exception>
#include <new>

#include <cxxabi.h>

#include "core/error.h"

namespace cohort {

void InArchive::fail(std::string const& expected) const {
  throw DecodeError("expected " + expected + " at byte " + std::to_string(cursor_ - begin_) +
                    ", where " + std::to_string(left()) + " bytes are left");
}

void InArchive::fail_short(std::size_t size) const { fail(std::to_string(size) + " bytes"); }

void InArchive::fail_count(std::uint64_t count, std::size_t size) const {
  fail(std::to_string(count) + " elements of at least " + std::to_string(size) + " bytes");
}

void InArchive::fail_value(char const* expected, unsigned found) const {
  fail(std::string(expected) + " and not " + std::to_string(found));
}

namespace archive {

void Nesting::fail() {
  throw std::length_error("objects nest more than " + std::to_string(kMaxNesting) + " deep");
}

void rethrow_as_decode_error() {
  try {
    throw;
  } catch (DecodeError const&) {
    throw;
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& refusal) {
    throw DecodeError(std::string("the bytes are no value of their type: ") + what_of(refusal));
  } catch (abi::__forced_unwind const&) {
    throw;  // the thread ends
  } catch (...) {
    throw DecodeError("the bytes are no value of their type: it threw " +
                      describe_current_exception().to_string());
  }
}

}  // namespace archive
}  // namespace cohort
