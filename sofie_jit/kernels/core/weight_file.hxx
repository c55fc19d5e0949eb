// Reads the weight file of a saved header. Not used by code compiled in Python.
//
// The text format is SOFIE's: for each tensor a line with its name and length, then its values. The binary format
// starts with a line of its own; then follow, for each tensor, a line with name, length and type, the bytes of the
// values, and a newline.
#ifndef SOFIE_JIT_WEIGHT_FILE_HXX
#define SOFIE_JIT_WEIGHT_FILE_HXX

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/memory.hxx"

namespace sofie_jit {
inline namespace SOFIE_JIT_ISA {

enum class Element { f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

template <class T>
constexpr Element element = std::is_same_v<T, float>           ? Element::f32
                            : std::is_same_v<T, double>        ? Element::f64
                            : std::is_same_v<T, std::int8_t>   ? Element::i8
                            : std::is_same_v<T, std::int16_t>  ? Element::i16
                            : std::is_same_v<T, std::int32_t>  ? Element::i32
                            : std::is_same_v<T, std::int64_t>  ? Element::i64
                            : std::is_same_v<T, std::uint8_t>  ? Element::u8
                            : std::is_same_v<T, std::uint16_t> ? Element::u16
                            : std::is_same_v<T, std::uint32_t> ? Element::u32
                            : std::is_same_v<T, std::uint64_t> ? Element::u64
                                                               : Element::boolean;

struct WeightEntry {
   const char *name;
   std::size_t size;
   Element type;
};

// The file's tensors in memory. Throws std::runtime_error, naming file and tensor, if the file does not match.
class WeightFile {
public:
   WeightFile(const std::string &filename, const WeightEntry *entries, std::size_t count)
   {
      const std::string text = contents(filename);
      const char *at = text.data(), *end = at + text.size();
      const std::string first_line = "sofie-jit weights 1\n";
      const bool binary = text.compare(0, first_line.size(), first_line) == 0;
      if (binary)
         at += first_line.size();
      for (std::size_t i = 0; i < count; ++i) {
         const WeightEntry &entry = entries[i];
         const std::string where = "sofie-jit: weight file '" + filename + "', tensor '" + entry.name + "'";
         const std::string name = token(at, end), size = token(at, end);
         if (name != entry.name || size != std::to_string(entry.size))
            throw std::runtime_error(where + ": expected its name and length " + std::to_string(entry.size) +
                                     ", found '" + name.substr(0, 80) + " " + size.substr(0, 80) + "'");
         fTensors.push_back(binary ? bytes(at, end, entry, where) : read(at, end, entry, where));
         fPointers.push_back(fTensors.back().data());
      }
   }
   const void *const *pointers() const { return fPointers.data(); }

private:
   static std::string contents(const std::string &filename)
   {
      std::ifstream file(filename, std::ios::binary);
      if (!file)
         throw std::runtime_error("sofie-jit: cannot open the weight file '" + filename +
                                  "' (a relative path begins in the working directory; Session's argument is "
                                  "the path)");
      file.peek(); // fails for a directory, whose size would be nonsense
      std::string text;
      if (file.seekg(0, std::ios::end))
         text.resize(static_cast<std::size_t>(file.tellg()));
      if (!file.seekg(0) || !file.read(&text[0], static_cast<std::streamsize>(text.size())))
         throw std::runtime_error("sofie-jit: cannot read the weight file '" + filename + "'");
      return text;
   }

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
         if (!ok || at == end) // a number at the very end may be only a part of it
            throw std::runtime_error(where + ": value " + std::to_string(i) +
                                     (at == end ? ": the file is truncated" : " is not a number: '" +
                                     word.substr(0, 80) + "'"));
         std::memcpy(buffer.data() + i * sizeof(T), &value, sizeof(T));
      }
      return buffer;
   }

   static Buffer<char> read(const char *&at, const char *end, const WeightEntry &entry, const std::string &where)
   {
      switch (entry.type) {
      case Element::f32: return values<float>(at, end, entry.size, where);
      case Element::f64: return values<double>(at, end, entry.size, where);
      case Element::i8: return values<std::int8_t>(at, end, entry.size, where);
      case Element::i16: return values<std::int16_t>(at, end, entry.size, where);
      case Element::i32: return values<std::int32_t>(at, end, entry.size, where);
      case Element::i64: return values<std::int64_t>(at, end, entry.size, where);
      case Element::u8: return values<std::uint8_t>(at, end, entry.size, where);
      case Element::u16: return values<std::uint16_t>(at, end, entry.size, where);
      case Element::u32: return values<std::uint32_t>(at, end, entry.size, where);
      case Element::u64: return values<std::uint64_t>(at, end, entry.size, where);
      case Element::boolean: break;
      }
      return values<bool>(at, end, entry.size, where);
   }

   static Buffer<char> bytes(const char *&at, const char *end, const WeightEntry &entry, const std::string &where)
   {
      if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
         throw std::runtime_error(where + ": binary weight files need a little-endian processor; use text");
      static const struct {
         const char *name;
         std::size_t size;
      } types[] = {{"float32", 4}, {"float64", 8}, {"int8", 1},   {"int16", 2},  {"int32", 4}, {"int64", 8},
                   {"uint8", 1},   {"uint16", 2},  {"uint32", 4}, {"uint64", 8}, {"bool", 1}}; // as in Element
      const auto &type = types[static_cast<std::size_t>(entry.type)];
      const std::string found = token(at, end);
      if (found != type.name)
         throw std::runtime_error(where + ": expected " + type.name + ", found '" + found.substr(0, 80) + "'");
      const std::size_t size = entry.size * type.size;
      if (static_cast<std::size_t>(end - at) < size + 2)
         throw std::runtime_error(where + ": the file is truncated");
      Buffer<char> buffer = copy_weights(at + 1, size); // behind the newline
      at += 1 + size;
      return buffer;
   }

   std::vector<Buffer<char>> fTensors;
   std::vector<const void *> fPointers;
};

} // namespace SOFIE_JIT_ISA
} // namespace sofie_jit
#endif
