// A worker as an argument: its ref travels to another worker, which connects to it and calls it
// without the master in between.
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <cohort/cohort.hpp>

class Dictionary {
 public:
  using Init = std::map<std::string, std::string>;
  explicit Dictionary(Init words) : words_(std::move(words)) {}

  std::string translate(std::string const& word) const {
    auto const found = words_.find(word);
    return found == words_.end() ? word : found->second;
  }

  using Functions = cohort::FunctionList<&Dictionary::translate>;

 private:
  Init const words_;
};

class Translator {
 public:
  explicit Translator(cohort::WorkerContext const& context) : context_(context) {}

  std::string translate(std::vector<std::string> const& text,
                        cohort::WorkerRef<Dictionary> const& ref) const {
    auto const dictionary = cohort::connect(context_, ref);
    std::string translated;
    for (auto const& word : text) {
      if (!translated.empty()) translated += ' ';
      translated += dictionary.call(cohort::fn<&Dictionary::translate>, word).get();
    }
    return translated;
  }

  using Functions = cohort::FunctionList<&Translator::translate>;

 private:
  cohort::WorkerContext context_;
};

int master(cohort::Cluster& cluster) {
  using Words = Dictionary::Init;
  auto const german = cohort::spawn_one<Dictionary>(
      cluster, {}, Words{{"good", "guten"}, {"morning", "Morgen"}, {"world", "Welt"}});
  auto const french = cohort::spawn_one<Dictionary>(
      cluster, {}, Words{{"good", "bon"}, {"morning", "matin"}, {"world", "monde"}});

  auto const translator = cohort::spawn_one<Translator>(cluster, {});
  std::vector<std::string> const text{"good", "morning", "world"};
  for (auto const* dictionary : {&german, &french}) {
    std::cout << translator.call(cohort::fn<&Translator::translate>, text, dictionary->ref()).get()
              << '\n';
  }
  return 0;
}

int main(int argc, char** argv) {
  return cohort::start_app<Dictionary, Translator>(argc, argv, master);
}
