// Values that do not travel, by the macro that is defined.
#include <string_view>
#include <vector>

#include <cohort/cohort.hpp>

struct Bare {
  int a;
};
struct NeedsOne {
  explicit NeedsOne(int given) : a(given) {}
  int a;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& a;
  }
};
/// What only Boost may see is one, too; so is a free function.
class Hidden {
  int a_ = 0;
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& a_;
  }
};
namespace elsewhere {
struct Free {
  int a;
};
template <class Archive>
void serialize(Archive& archive, Free& free, unsigned) {
  archive& free.a;
}
}  // namespace elsewhere

#if defined(NO_SERIALIZE_IN_ARGUMENT)
using Argument = std::vector<Bare>;
#elif defined(NO_DEFAULT)
using Argument = NeedsOne;
#elif defined(VIEW)
using Argument = std::string_view;
#else
using Argument = Hidden;
#endif
#ifdef NO_SERIALIZE_IN_RESULT
using Result = Bare;
#else
using Result = elsewhere::Free;
#endif
#ifdef NO_SERIALIZE_IN_INIT
using Given = Bare;
#else
using Given = Hidden;
#endif

class Worker {
 public:
  using Init = Given;
  explicit Worker(Given const&) {}
  Result take(Argument const&) { return {}; }
  using Functions = cohort::FunctionList<&Worker::take>;
};

class Client {
 public:
  int take(Bare const&) { return 0; }
  using Functions = cohort::FunctionList<&Client::take>;
};

auto const& types = cohort::app_types<Worker>;

void use(cohort::Worker<Client>& client, cohort::Writer<Bare>& out) {
#ifdef NO_SERIALIZE_IN_CALL
  client.call(cohort::fn<&Client::take>, Bare{1}).get();
#endif
#ifdef NO_SERIALIZE_IN_ELEMENT
  out.write(Bare{1});
#endif
  static_cast<void>(client);
  static_cast<void>(out);
}
