// Reading the text file of weights that lies beside a saved header. Not used by code compiled in Python.
#ifndef SOFIE_JIT_WEIGHT_FILE_HXX
#define SOFIE_JIT_WEIGHT_FILE_HXX

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

enum class Element { f32, f64, i32, i64, boolean };

template <class T>
constexpr Element element = std::is_same_v<T, float>          ? Element::f32
                            : std::is_same_v<T, double>       ? Element::f64
                            : std::is_same_v<T, std::int32_t> ? Element::i32
                            : std::is_same_v<T, std::int64_t> ? Element::i64
                                                              : Element::boolean;

struct WeightEntry {
   const char *name;
   std::size_t size;
   Element type;
};

// The file's tensors in memory. Throws std::runtime_error, naming file and tensor, if the file does not fit.
class WeightFile {
public:
   WeightFile(const std::string &filename, const WeightEntry *entries, std::size_t count)
   {
      std::ifstream file(filename, std::ios::binary);
      if (!file)
         throw std::runtime_error("sofie_jit: cannot open the weight file '" + filename + "'");
      const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      const char *at = text.data(), *end = at + text.size();
      for (std::size_t i = 0; i < count; ++i) {
         const WeightEntry &entry = entries[i];
         const std::string where = "sofie_jit: weight file '" + filename + "', tensor '" + entry.name + "'";
         const std::string name = token(at, end), size = token(at, end);
         if (name != entry.name || size != std::to_string(entry.size))
            throw std::runtime_error(where + ": expected its name and length " + std::to_string(entry.size) +
                                     ", found '" + name.substr(0, 80) + " " + size.substr(0, 80) + "'");
         fTensors.push_back(read(at, end, entry, where));
         fPointers.push_back(fTensors.back().data());
      }
   }
   const void *const *pointers() const { return fPointers.data(); }

private:
   static bool space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

   static std::string token(const char *&at, const char *end)
   {
      while (at != end && space(*at))
         ++at;
      const char *start = at;
      while (at != end && !space(*at))
         ++at;
      return std::string(start, at);
   }

   template <class T>
   static bool parse(const std::string &word, T &value)
   {
      const auto result = std::from_chars(word.data(), word.data() + word.size(), value);
      return result.ec == std::errc() && result.ptr == word.data() + word.size();
   }

   template <class T>
   static Buffer<char> values(const char *&at, const char *end, std::size_t size, const std::string &where)
   {
      Buffer<char> buffer(size * sizeof(T));
      for (std::size_t i = 0; i < size; ++i) {
         const std::string word = token(at, end);
         T value{};
         bool ok;
         if constexpr (std::is_same_v<T, bool>) {
            ok = word == "0" || word == "1";
            value = word == "1";
         } else {
            ok = parse(word, value);
         }
         if (!ok)
            throw std::runtime_error(where + ": value " + std::to_string(i) + " is no number: '" + word.substr(0, 80) +
                                     "'");
         std::memcpy(buffer.data() + i * sizeof(T), &value, sizeof(T));
      }
      return buffer;
   }

   static Buffer<char> read(const char *&at, const char *end, const WeightEntry &entry, const std::string &where)
   {
      switch (entry.type) {
      case Element::f32: return values<float>(at, end, entry.size, where);
      case Element::f64: return values<double>(at, end, entry.size, where);
      case Element::i32: return values<std::int32_t>(at, end, entry.size, where);
      case Element::i64: return values<std::int64_t>(at, end, entry.size, where);
      case Element::boolean: break;
      }
      return values<bool>(at, end, entry.size, where);
   }

   std::vector<Buffer<char>> fTensors;
   std::vector<const void *> fPointers;
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
