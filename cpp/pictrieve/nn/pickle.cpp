#include "pictrieve/nn/pickle.h"

#include <algorithm>
#include <array>

#include "pictrieve/nn/pickle_opcodes.h"

namespace pictrieve {
namespace {

using Kind = PickleValue::Kind;

constexpr size_t kMaxValues = 2'000'000;      // a network of 1000 tensors takes about 20,000
constexpr size_t kMaxItems = 4 * kMaxValues;  // in all lists together: a small file could copy one again and again

/// Well-formed UTF-8 (RFC 3629): names must be able to become Python strings.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i++]);
    if (lead < 0x80) continue;
    const size_t more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - i < more) return false;
    uint32_t point = lead & (0x3FU >> more);
    for (size_t k = 0; k < more; ++k) {
      const auto next = static_cast<uint8_t>(text[i++]);
      if ((next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3FU);
    }
    constexpr std::array<uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    if (point < kLeast[more] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
  }
  return true;
}

}  // namespace

const char* kind_name(const PickleValue& value) {
  constexpr std::array<const char*, 11> kNames{"a mark",  "None",         "a bool",         "an int",
                                               "a float", "a string",     "a tuple",        "a list",
                                               "a dict",  "a class name", "a tensor's part"};
  return kNames[static_cast<size_t>(value.kind)];
}

const PickleValue& PickleReader::read() {
  stack_.clear();
  memo_.clear();
  for (auto opcode = bytes_.read<uint8_t>(); opcode != kStop; opcode = bytes_.read<uint8_t>()) step(opcode);
  if (stack_.size() != 1 || stack_.back()->kind == Kind::Mark) fail("ends without exactly one value");
  return *stack_.back();
}

void PickleReader::step(uint8_t opcode) {
  if (step_value(opcode) || step_container(opcode) || step_memo(opcode)) return;
  switch (opcode) {
    case kProto:
      if (const int version = bytes_.read<uint8_t>(); version > 5) fail("has protocol " + std::to_string(version));
      return;
    case kFrame:
      bytes_.read<uint64_t>();  // frames only announce lengths, which are checked where bytes are taken
      return;
    case kGlobal:
    case kInst: {
      const std::string module = bytes_.line();
      push_global(module, bytes_.line());
      if (opcode == kInst) fail("makes an instance of '" + stack_.back()->text + "'");
      return;
    }
    case kStackGlobal: {
      const std::string name = pop("a name")->text;
      push_global(pop("a module")->text, name);
      return;
    }
    case kReduce:
      return reduce();
    case kNewObject:
      return make_object();
    case kBuild:
      return build();
    case kBinPersistent:
      return push(rules_.persistent(*pop("a persistent id")));
    default:
      fail(message("has the opcode ", int{opcode}, ", which tensors do not need"));
  }
}

bool PickleReader::step_value(uint8_t opcode) {
  switch (opcode) {
    case kNone:
      push({});
      return true;
    case kNewTrue:
    case kNewFalse:
      push({Kind::Bool, opcode == kNewTrue ? 1 : 0, {}, {}});
      return true;
    case kBinInt:
      push({Kind::Int, bytes_.read<int32_t>(), {}, {}});
      return true;
    case kBinInt1:
      push({Kind::Int, bytes_.read<uint8_t>(), {}, {}});
      return true;
    case kBinInt2:
      push({Kind::Int, bytes_.read<uint16_t>(), {}, {}});
      return true;
    case kLong1:
      push_long(bytes_.read<uint8_t>());
      return true;
    case kBinFloat:
      bytes_.take(8);  // learning rates and the like: nobody asks for their value
      push({Kind::Float, 0, {}, {}});
      return true;
    case kBinUnicode:
    case kBinString:
      push_text(bytes_.read<uint32_t>());
      return true;
    case kShortBinUnicode:
    case kShortBinString:
      push_text(bytes_.read<uint8_t>());
      return true;
    default:
      return false;
  }
}

bool PickleReader::step_container(uint8_t opcode) {
  switch (opcode) {
    case kMark:
      push({Kind::Mark, 0, {}, {}});
      return true;
    case kEmptyTuple:
      push_tuple({});
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3:
      push_tuple(pop_count(opcode - kTuple1 + 1));
      return true;
    case kTuple:
      push_tuple(pop_to_mark());
      return true;
    case kEmptyList:
      push({Kind::List, 0, {}, {}});
      return true;
    case kAppend:
      extend(Kind::List, pop_count(1));
      return true;
    case kAppends:
      extend(Kind::List, pop_to_mark());
      return true;
    case kEmptyDict:
      push({Kind::Dict, 0, {}, {}});
      return true;
    case kSetItem:
      extend(Kind::Dict, pop_count(2));
      return true;
    case kSetItems:
      extend(Kind::Dict, pop_to_mark());
      return true;
    default:
      return false;
  }
}

bool PickleReader::step_memo(uint8_t opcode) {
  switch (opcode) {
    case kBinPut:
      remember(bytes_.read<uint8_t>());
      return true;
    case kLongBinPut:
      remember(bytes_.read<uint32_t>());
      return true;
    case kMemoize:
      remember(memo_.size());
      return true;
    case kBinGet:
      recall(bytes_.read<uint8_t>());
      return true;
    case kLongBinGet:
      recall(bytes_.read<uint32_t>());
      return true;
    default:
      return false;
  }
}

void PickleReader::push(PickleValue value) {
  if (values_.size() >= kMaxValues) fail("holds more than " + std::to_string(kMaxValues) + " values");
  count_items(value.items.size());
  values_.push_back(std::move(value));
  stack_.push_back(&values_.back());
}

void PickleReader::count_items(size_t more) {
  items_ += more;
  if (items_ > kMaxItems) fail("holds more than " + std::to_string(kMaxItems) + " items");
}

void PickleReader::push_text(uint64_t size) {
  std::string text = bytes_.text(size);
  if (!is_utf8(text)) fail("has text that is not UTF-8");
  push({Kind::String, 0, std::move(text), {}});
}

/// Little-endian two's complement.
void PickleReader::push_long(uint64_t size) {
  if (size > 8) fail("has an integer of " + std::to_string(size) + " bytes");
  uint64_t value = 0;
  uint8_t last = 0;
  for (uint64_t i = 0; i < size; ++i) {
    last = bytes_.read<uint8_t>();
    value |= uint64_t{last} << (8 * i);
  }
  if ((last & 0x80) != 0 && size < 8) value |= ~uint64_t{0} << (8 * size);
  push({Kind::Int, static_cast<int64_t>(value), {}, {}});
}

void PickleReader::push_global(const std::string& module, const std::string& name) {
  const std::string global = module + "." + name;
  if (global.size() > 300) fail("has a name of " + std::to_string(global.size()) + " bytes");
  if (!is_utf8(global)) fail("has a name that is not UTF-8");
  rules_.check_global(global);
  push({Kind::Global, 0, global, {}});
}

void PickleReader::push_tuple(std::vector<const PickleValue*> items) { push({Kind::Tuple, 0, {}, std::move(items)}); }

PickleValue* PickleReader::pop(const char* what) {
  if (stack_.empty() || stack_.back()->kind == Kind::Mark) fail(message("lacks ", what));
  PickleValue* value = stack_.back();
  stack_.pop_back();
  return value;
}

PickleValue* PickleReader::top(PickleValue::Kind kind, const char* what) {
  if (stack_.empty() || stack_.back()->kind != kind) fail(message("lacks ", what));
  return stack_.back();
}

std::vector<const PickleValue*> PickleReader::pop_count(int count) {
  std::vector<const PickleValue*> items(static_cast<size_t>(count));
  std::generate(items.rbegin(), items.rend(), [this] { return pop("a value"); });
  return items;
}

std::vector<const PickleValue*> PickleReader::pop_to_mark() {
  const auto mark = std::find_if(stack_.rbegin(), stack_.rend(), [](auto* value) { return value->kind == Kind::Mark; });
  if (mark == stack_.rend()) fail("lacks a mark");
  std::vector<const PickleValue*> items(mark.base(), stack_.end());
  stack_.erase(mark.base() - 1, stack_.end());
  return items;
}

void PickleReader::extend(PickleValue::Kind kind, const std::vector<const PickleValue*>& items) {
  PickleValue* target = top(kind, kind == Kind::List ? "a list" : "a dict");
  if (kind == Kind::Dict && items.size() % 2 != 0) fail("has a key without a value");
  target->items.insert(target->items.end(), items.begin(), items.end());
}

void PickleReader::remember(uint64_t index) {
  if (stack_.empty() || stack_.back()->kind == Kind::Mark) fail("remembers nothing");
  if (memo_.size() >= kMaxValues) fail("remembers too much");
  memo_[index] = stack_.back();
}

void PickleReader::recall(uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) fail("recalls a value that it did not remember");
  stack_.push_back(found->second);
}

void PickleReader::reduce() {
  const PickleValue* arguments = pop("arguments");
  const PickleValue* function = pop("a function");
  if (function->kind != Kind::Global || arguments->kind != Kind::Tuple) fail("calls something that is not a function");
  push(rules_.call(function->text, arguments->items));
}

void PickleReader::make_object() {
  const PickleValue* arguments = pop("arguments");
  const PickleValue* of = pop("a class");
  if (of->kind != Kind::Global || arguments->kind != Kind::Tuple || !arguments->items.empty())
    fail("makes an object of something that is not a class");
  push(rules_.make(of->text));
}

/// The attributes that torch hangs on an OrderedDict (_metadata: versions of modules) say nothing about tensors; those
/// of an object are all it is.
void PickleReader::build() {
  const PickleValue* attributes = pop("attributes");
  PickleValue* target = top(Kind::Dict, "a dict to set attributes of; only an OrderedDict may have them");
  if (target->text.empty()) return;
  if (attributes->kind != Kind::Dict || attributes == target) fail("has an object whose attributes are no dict");
  count_items(attributes->items.size());
  target->items = attributes->items;
}

void PickleReader::fail(const std::string& what) const {
  throw FormatError(message(bytes_.source(), ": the pickled data ", what, ", before offset ", bytes_.position()));
}

}  // namespace pictrieve
