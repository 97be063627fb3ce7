// Python's pickle as data. A pickle is a program that may call any function; this reader knows values only, and asks
// its owner about every name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pictrieve/nn/byte_reader.h"

namespace pictrieve {

struct PickleValue {
  enum class Kind : uint8_t { Mark, None, Bool, Int, Float, String, Tuple, List, Dict, Global, External };
  Kind kind = Kind::None;
  int64_t integer = 0;  ///< Bool, Int; External: the owner's number of the object
  std::string text;  ///< String; Global: "module.name"; External: its kind; Dict: the class whose attributes these are
  std::vector<const PickleValue*> items;  ///< Tuple, List; Dict: key, value, key, value, ...
};

const char* kind_name(const PickleValue& value);

/// What the owner allows; each throws FormatError for what it does not want.
struct PickleRules {
  std::function<void(const std::string& global)> check_global;
  std::function<PickleValue(const std::string& global, const std::vector<const PickleValue*>& arguments)> call;
  std::function<PickleValue(const PickleValue& id)> persistent;
  /// An object without attributes yet: a Dict whose text is the class.
  std::function<PickleValue(const std::string& global)> make;
};

/// Reads pickles that follow one another in one stream. Values live as long as the reader.
class PickleReader {
 public:
  PickleReader(ByteReader& bytes, PickleRules rules) : bytes_(bytes), rules_(std::move(rules)) {}

  /// The value of the next pickle; the stream stands behind it then. FormatError names the offset.
  const PickleValue& read();

 private:
  void step(uint8_t opcode);
  bool step_value(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_memo(uint8_t opcode);
  void push(PickleValue value);
  void count_items(size_t more);
  void push_text(uint64_t size);
  void push_long(uint64_t size);
  void push_global(const std::string& module, const std::string& name);
  void push_tuple(std::vector<const PickleValue*> items);
  PickleValue* pop(const char* what);
  PickleValue* top(PickleValue::Kind kind, const char* what);
  std::vector<const PickleValue*> pop_count(int count);
  std::vector<const PickleValue*> pop_to_mark();
  void extend(PickleValue::Kind kind, const std::vector<const PickleValue*>& items);
  void remember(uint64_t index);
  void recall(uint64_t index);
  void reduce();
  void make_object();
  void build();
  [[noreturn]] void fail(const std::string& what) const;

  ByteReader& bytes_;
  PickleRules rules_;
  std::deque<PickleValue> values_;  ///< owner of all: references between values may be circular
  size_t items_ = 0;                ///< of values, counted where they are copied
  std::vector<PickleValue*> stack_;
  std::unordered_map<uint64_t, PickleValue*> memo_;
};

}  // namespace pictrieve
