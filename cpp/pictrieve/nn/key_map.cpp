#include "pictrieve/nn/key_map.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

using Words = std::vector<std::string>;

/// What the "{}" of a pattern stand for in a name, and what follows the pattern; none where it does not fit.
std::optional<std::pair<Words, std::string>> fit(const std::string& pattern, const std::string& name) {
  Words words;
  size_t at = 0;
  for (size_t i = 0; i < pattern.size();) {
    if (pattern.compare(i, 2, "{}") == 0) {
      const size_t end = std::min(name.find('.', at), name.size());
      if (end == at) return std::nullopt;
      words.push_back(name.substr(at, end - at));
      at = end;
      i += 2;
    } else {
      if (at >= name.size() || name[at] != pattern[i]) return std::nullopt;
      ++at;
      ++i;
    }
  }
  if (at < name.size() && name[at] != '.') return std::nullopt;
  return std::pair{std::move(words), name.substr(at)};
}

std::string filled(const std::string& pattern, const Words& words, const std::string& rest) {
  std::string name;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.compare(i, 2, "{}") == 0 && next < words.size()) {
      name += words[next++];
      ++i;
    } else {
      name += pattern[i];
    }
  }
  return name + rest;
}

/// One side of a rule.
struct Side {
  Words patterns;
  std::vector<int64_t> shares;  ///< of each in the whole
  bool transposed = false;
  size_t axes_behind = 0;  ///< of length one, that only this side has
  size_t axes_before = 0;  ///< of length one, that only the other side has
  int64_t grid = 0;        ///< side of the map that each row reads cell by cell; the other side has rows of numbers
};

Side parsed(const std::string& text) {
  Side side;
  const size_t at = text.find('@');
  if (at != std::string::npos) {
    side = parsed(text.substr(0, at));
    side.grid = std::stoll(text.substr(at + 1));
    return side;
  }
  const size_t name_end = text.find_last_not_of("'+-") + 1;
  for (const char mark : text.substr(name_end)) {
    side.transposed |= mark == '\'';
    side.axes_behind += mark == '+';
    side.axes_before += mark == '-';
  }
  for (size_t begin = 0; begin <= name_end;) {
    const size_t end = std::min(text.find('|', begin), name_end), star = std::min(text.find('*', begin), end);
    side.patterns.push_back(text.substr(begin, star - begin));
    side.shares.push_back(star == end ? 1 : std::stoll(text.substr(star + 1, end - star - 1)));
    begin = end + 1;
  }
  return side;
}

using Bytes = std::vector<std::byte>;

void add_owned(StateDict& to, const std::string& name, TensorView view, Bytes bytes) {
  auto memory = std::make_shared<const Bytes>(std::move(bytes));
  view.data = memory->data();
  to.keep(memory);
  to.add(name, std::move(view));
}

void add_transposed(StateDict& to, const std::string& name, const TensorView& from) {
  if (from.shape.size() != 2) return to.add(name, from);  // a bias beside the matrix
  const int64_t rows = from.shape[0], columns = from.shape[1], size = item_size(from.dtype);
  Bytes bytes(static_cast<size_t>(from.bytes()));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      std::memcpy(bytes.data() + (c * rows + r) * size, from.data + (r * columns + c) * size, size);
  TensorView view = from;
  view.shape = {columns, rows};
  add_owned(to, name, std::move(view), std::move(bytes));
}

void add_stacked(StateDict& to, const std::string& name, const StateDict& from, const Words& names) {
  const TensorView& first = from.at(names.front());
  TensorView whole = first;
  Bytes bytes;
  for (const std::string& part : names) {
    const TensorView& view = from.at(part);
    const bool alike = view.dtype == first.dtype && view.shape.size() == first.shape.size() && !view.shape.empty() &&
                       std::equal(view.shape.begin() + 1, view.shape.end(), first.shape.begin() + 1);
    require<FormatError>(alike, from.source(), ": '", part, "' and '", names.front(),
                         "': expected the same type and width, got ", describe(view), " and ", describe(first));
    bytes.insert(bytes.end(), view.data, view.data + view.bytes());
    if (&view != &first) whole.shape[0] += view.shape[0];
  }
  add_owned(to, name, std::move(whole), std::move(bytes));
}

/// Consecutive rows, as many for each name as its share says.
void add_cut(StateDict& to, const Words& names, const std::vector<int64_t>& shares, const TensorView& whole) {
  const int64_t total = std::accumulate(shares.begin(), shares.end(), int64_t{0});
  const bool even = !whole.shape.empty() && whole.shape[0] % total == 0;
  require<FormatError>(even, "'", names.front(), "' and others: expected ", total, " equal shares, got ",
                       describe(whole));
  TensorView part = whole;
  for (size_t i = 0; i < names.size(); ++i) {
    part.shape[0] = whole.shape[0] / total * shares[i];
    to.add(names[i], part);
    part.data += part.bytes();
  }
}

/// Without the last `axes` of the shape, where these have length one.
TensorView without_axes(TensorView tensor, size_t axes) {
  for (; axes > 0 && tensor.shape.size() > 1 && tensor.shape.back() == 1; --axes) tensor.shape.pop_back();
  return tensor;
}

TensorView with_axes(TensorView tensor, size_t behind, size_t before) {
  tensor.shape.insert(tensor.shape.end(), behind, 1);
  tensor.shape.insert(tensor.shape.begin(), before, 1);
  return tensor;
}

/// Without the first `axes` of the shape, where these have length one.
TensorView without_first_axes(TensorView tensor, size_t axes) {
  for (; axes > 0 && tensor.shape.size() > 1 && tensor.shape.front() == 1; --axes)
    tensor.shape.erase(tensor.shape.begin());
  return tensor;
}

/// A linear layer over a whole map, (n, c * grid * grid), is a convolution (n, c, grid, grid) elsewhere.
TensorView with_grid(TensorView tensor, int64_t here, int64_t there) {
  auto& shape = tensor.shape;
  if (here > 0 && shape.size() == 4) shape = {shape[0], shape[1] * shape[2] * shape[3]};
  if (there > 0 && shape.size() == 2 && shape[1] % (there * there) == 0)
    shape = {shape[0], shape[1] / (there * there), there, there};
  return tensor;
}

Words filled_all(const Words& patterns, const Words& words, const std::string& rest) {
  Words names;
  for (const std::string& pattern : patterns) names.push_back(filled(pattern, words, rest));
  return names;
}

/// The tensor `name` of `from` goes where one side of a rule says, as the other side has it. False where it does not
/// fit. Of a stack, the first part brings the others.
bool place(const std::string& name, const StateDict& from, const Side& here, const Side& there, StateDict& to) {
  for (size_t i = 0; i < here.patterns.size(); ++i) {
    const auto fitted = fit(here.patterns[i], name);
    if (!fitted) continue;
    if (i > 0 || there.patterns.front().empty()) return true;
    const auto& [words, rest] = *fitted;
    const Words sources = filled_all(here.patterns, words, rest), names = filled_all(there.patterns, words, rest);
    const TensorView& tensor = from.at(name);
    const size_t behind = rest == ".bias" ? 0 : there.axes_behind;
    if (sources.size() > 1) {
      add_stacked(to, names.front(), from, sources);
    } else if (names.size() > 1) {
      add_cut(to, names, there.shares, tensor);
    } else if (here.transposed || there.transposed) {
      add_transposed(to, names.front(), tensor);
    } else {
      const TensorView bare = without_first_axes(without_axes(tensor, here.axes_behind), there.axes_before);
      to.add(names.front(), with_grid(with_axes(bare, behind, here.axes_before), here.grid, there.grid));
    }
    return true;
  }
  return false;
}

using Sides = std::vector<std::pair<Side, Side>>;  // from, to

StateDict translated(const StateDict& weights, const Sides& sides) {
  StateDict result(weights.source());
  for (const auto& memory : weights.memory()) result.keep(memory);
  result.set_metadata(weights.metadata());
  for (const auto& [name, tensor] : weights.tensors()) {
    const bool placed = std::ranges::any_of(
        sides, [&, &key = name](const auto& rule) { return place(key, weights, rule.first, rule.second, result); });
    if (!placed) result.add(name, tensor);
  }
  return result;
}

}  // namespace

StateDict from_layout(const StateDict& weights, const std::vector<KeyRule>& rules) {
  if (rules.empty()) return weights;
  Sides sides;
  for (const auto& [ours, theirs] : rules) sides.emplace_back(parsed(theirs), parsed(ours));
  return translated(weights, sides);
}

StateDict to_layout(const StateDict& weights, const std::vector<KeyRule>& rules) {
  Sides sides;
  for (const auto& [ours, theirs] : rules)
    if (!ours.empty()) sides.emplace_back(parsed(ours), parsed(theirs));
  return translated(weights, sides);
}

const Layout* layout_of(const StateDict& weights, const std::vector<Layout>& layouts) {
  for (const Layout& layout : layouts)
    for (const auto& [name, tensor] : weights.tensors())
      if (fit(layout.mark, name)) return &layout;
  return nullptr;
}

std::vector<KeyRule> rules_for(const StateDict& weights, const std::vector<Layout>& layouts,
                               const NetworkConfig& settings) {
  const Layout* layout = layout_of(weights, layouts);
  return layout ? layout->rules(settings) : std::vector<KeyRule>{};
}

std::string name_in_layout(const std::string& ours, const std::vector<KeyRule>& rules) {
  for (const KeyRule& rule : rules) {
    for (const std::string& pattern : parsed(rule.ours).patterns)
      if (const auto fitted = pattern.empty() ? std::nullopt : fit(pattern, ours))
        return filled(parsed(rule.theirs).patterns.front(), fitted->first, fitted->second);
  }
  return ours;
}

}  // namespace pictrieve
