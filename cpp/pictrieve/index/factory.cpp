#include "pictrieve/index/factory.h"

#include <algorithm>
#include <charconv>

#include "pictrieve/base/error.h"
#include "pictrieve/index/distance/metric.h"

namespace pictrieve {
namespace {

constexpr const char* kKnown =
    "[PCA<d>,|OPQ<m>[_<d>],|RR<d>,][IVF<lists>[_HNSW<links>],|HNSW<links>,]Flat|SQ8|SQfp16|SQbf16|PQ<m>[x4fs]|LSH<bits>"
    "[,RFlat|,Refine(SQfp16)], or BFlat|BHNSW<links>|BHash<bits> for bits, or auto";

constexpr size_t kMostProjections = 4;

/// At commas, without spaces; "HNSW32_SQ8" is FAISS's other way to write "HNSW32,SQ8".
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    const bool graph = parts.back().starts_with("HNSW");
    if (c == ',' || (c == '_' && graph))
      parts.emplace_back();
    else if (c != ' ')
      parts.back().push_back(c);
  }
  return parts;
}

/// What to write instead of parts that FAISS has and this library has no need of.
const char* remedy_for(const std::string& part) {
  if (part.starts_with("IDMap")) return "; leave it out: every index has ids of your choice";
  if (part.starts_with("L2norm")) return "; leave it out and pass metric='cosine'";
  if (part.starts_with("PCAR") || part.starts_with("PCAW")) return "; write PCA<d>";
  if (part.starts_with("SQ")) return "; write SQ8";
  if (part.starts_with("BIVF")) return "; write BHNSW32 or BHash16";
  return "";
}

/// "HNSW32" with prefix "HNSW" -> 32; nothing where the text is not the prefix and one number.
std::optional<int64_t> number_after(const std::string& text, const std::string& prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + prefix.size(), end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end || number < 0 || number > INT32_MAX) return std::nullopt;
  return number;
}

class Parser {
 public:
  explicit Parser(const IndexOptions& options) : options_(options), parts_(split(options.factory)) {}

  Recipe parse() {
    bool coded = false;
    if (options_.factory == "auto") {
      recipe_.grows = true;
      apply_dtype(false);
      recipe_.may_code = recipe_.codec.codec == Codec::Float32;
      return recipe_;
    }
    for (const std::string& part : parts_) {
      if (!coded && projection(part)) continue;
      if (!coded && structure(part)) continue;
      if (!coded && codec(part, recipe_.codec)) {
        coded = true;
        continue;
      }
      if (originals(part)) continue;
      fail(part);
    }
    const bool needs_codec = recipe_.structure.kind == StructureSpec::Kind::None;
    if (!coded && needs_codec) fail(options_.factory);
    apply_dtype(coded);
    recipe_.may_code = !coded && recipe_.structure.kind == StructureSpec::Kind::Graph &&
                       recipe_.codec.codec == Codec::Float32 && recipe_.projections.empty() && !recipe_.originals;
    return recipe_;
  }

 private:
  [[noreturn]] void fail(const std::string& part) const {
    throw std::invalid_argument(message("factory: cannot read '", part, "' in '", options_.factory, "'",
                                        remedy_for(part), "; expected ", kKnown));
  }

  bool projection(const std::string& part) {
    using Kind = ProjectionSpec::Kind;
    if (recipe_.structure.kind != StructureSpec::Kind::None) return false;
    if (const auto dim = number_after(part, "PCA")) return add({Kind::Pca, *dim, 0}, part);
    if (const auto dim = number_after(part, "RR")) return add({Kind::Rotation, *dim, 0}, part);
    const std::string head = part.substr(0, part.find('_'));
    const auto m = number_after(head, "OPQ");
    if (!m) return false;
    int64_t dim = 0;
    if (head.size() < part.size()) {
      const auto given = number_after(part.substr(head.size()), "_");
      if (!given) fail(part);
      dim = *given;
    }
    return add({Kind::Opq, dim, static_cast<int>(*m)}, part);
  }

  bool add(const ProjectionSpec& spec, const std::string& part) {
    require(spec.dim >= 1 || spec.kind == ProjectionSpec::Kind::Opq, "factory: ", part, " keeps no dimensions");
    require(spec.dim <= options_.dim, "factory: ", part, " has more dimensions than the ", options_.dim,
            " of the rows");
    require(recipe_.projections.size() < kMostProjections, "factory: expected at most ", kMostProjections,
            " projections, got more in '", options_.factory, "'");
    recipe_.projections.push_back(spec);
    return true;
  }

  bool structure(const std::string& part) {
    using Kind = StructureSpec::Kind;
    if (recipe_.structure.kind != Kind::None) return false;
    if (part == "HNSW") return set({Kind::Graph, kLinksOfAuto, 0});  // as FAISS has it
    if (const auto links = number_after(part, "HNSW")) return set({Kind::Graph, links_of(*links), 0});
    if (const auto links = number_after(part, "BHNSW")) return set_bits({Kind::Graph, links_of(*links), 0});
    if (const auto bits = number_after(part, "BHash")) return set_bits({Kind::Hash, *bits, 0});
    const std::string head = part.substr(0, part.find('_'));
    const auto lists = number_after(head, "IVF");
    if (!lists) return false;
    int coarse = 0;
    if (head.size() < part.size()) {
      const auto links = number_after(part.substr(head.size()), "_HNSW");
      if (!links) fail(part);
      coarse = links_of(*links);
    }
    require(*lists >= 1 && *lists <= 1 << 22, "factory: expected 1 to 4194304 lists, got ", part);
    return set({Kind::Lists, *lists, coarse});
  }

  int links_of(int64_t links) const {
    require(links >= 2 && links <= 256, "factory: expected HNSW<links> with 2 to 256 links, such as HNSW32, got '",
            options_.factory, "'");
    return static_cast<int>(links);
  }

  bool set(const StructureSpec& spec) {
    recipe_.structure = spec;
    return true;
  }

  bool set_bits(const StructureSpec& spec) {
    recipe_.codec = {Codec::Bits, 0};
    return set(spec);
  }

  bool codec(const std::string& part, CodecSpec& to) const {
    if (part == "Flat")
      to = {recipe_.codec.codec == Codec::Bits ? Codec::Bits : Codec::Float32, 0};
    else if (part == "BFlat")
      to = {Codec::Bits, 0};
    else if (part == "SQ8")
      to = {Codec::Int8, 0};
    else if (part == "SQfp16")
      to = {Codec::Float16, 0};
    else if (part == "SQbf16")
      to = {Codec::BFloat16, 0};
    else if (part == "LSH")
      to = {Codec::SignBits, static_cast<int>(options_.dim)};
    else if (const auto bits = number_after(part, "LSH"))
      to = {Codec::SignBits, static_cast<int>(*bits)};
    else if (part.starts_with("PQ"))
      return product_quantiser(part, to);
    else
      return false;
    return true;
  }

  bool product_quantiser(const std::string& part, CodecSpec& to) const {
    const std::string head = part.substr(0, part.find('x'));
    const std::string tail = part.substr(head.size());
    const auto m = number_after(head, "PQ");
    if (!m || *m < 1 || *m > options_.dim) return false;
    if (tail.empty() || tail == "x8")
      to = {Codec::Pq, static_cast<int>(*m)};
    else if (tail == "x4fs" || tail == "x4")
      to = {Codec::PqFast, static_cast<int>(*m)};
    else
      return false;
    return true;
  }

  bool originals(const std::string& part) {
    CodecSpec spec;
    if (recipe_.originals) return false;
    if (part == "RFlat") {
      recipe_.originals = CodecSpec{};
      return true;
    }
    if (!part.starts_with("Refine(") || !part.ends_with(")") || !codec(part.substr(7, part.size() - 8), spec))
      return false;
    if (spec.codec == Codec::Pq || spec.codec == Codec::PqFast || spec.codec == Codec::SignBits) return false;
    recipe_.originals = spec;
    return true;
  }

  /// dtype names what the factory leaves open.
  void apply_dtype(bool coded) {
    Codec wanted = Codec::Float32;
    if (options_.dtype == "float16")
      wanted = Codec::Float16;
    else if (options_.dtype == "bfloat16")
      wanted = Codec::BFloat16;
    else if (options_.dtype == "int8")
      wanted = Codec::Int8;
    else if (options_.dtype == "bits")
      wanted = Codec::Bits;
    else
      require(options_.dtype == "float32", "dtype: expected float32, float16, bfloat16, int8 or bits, got '",
              options_.dtype, "'");
    if (wanted == Codec::Float32) return;
    CodecSpec& open =
        recipe_.originals && recipe_.originals->codec == Codec::Float32 ? *recipe_.originals : recipe_.codec;
    require(!coded || open.codec == Codec::Float32 || open.codec == wanted, "factory '", options_.factory,
            "' says how rows are kept, and dtype '", options_.dtype, "' says otherwise; leave one of them out");
    open.codec = wanted;
  }

  const IndexOptions& options_;
  std::vector<std::string> parts_;
  Recipe recipe_;
};

void require_fitting(const Recipe& recipe, const IndexOptions& options) {
  const Metric metric = metric_from_name(options.metric);
  const bool bits = recipe.codec.codec == Codec::Bits;
  require(options.dim >= 1 && options.dim <= 1 << 20, "dim: expected 1 to 1048576, got ", options.dim);
  require(options.ef_construction >= 1, "efConstruction: expected at least 1, got ", options.ef_construction);
  require(!bits || options.dim % 8 == 0, "dim: bits come in bytes, expected a multiple of 8, got ", options.dim);
  require(bits ? metric == Metric::Hamming || metric == Metric::Jaccard : metric != Metric::Hamming,
          "metric: ", options.metric, " does not compare ",
          bits ? "bits; pass metric='hamming' or 'jaccard'"
               : "numbers; for packed bits pass dtype='bits' or a factory such as BFlat");
  const auto direct = [](const CodecSpec& spec) {
    return spec.codec == Codec::Float32 || spec.codec == Codec::Float16 || spec.codec == Codec::BFloat16 ||
           spec.codec == Codec::Bits;
  };
  require((direct(recipe.codec) && direct(recipe.originals.value_or(recipe.codec))) || is_product(base_metric(metric)),
          "metric: ", options.metric, " needs rows as numbers, and factory '", options.factory, "' with dtype '",
          options.dtype, "' keeps codes; use Flat, HNSW or IVF<n>,Flat with dtype float32, float16 or bfloat16");
  require(!recipe.originals || (recipe.originals->codec == Codec::Bits) == bits, "factory: '", options.factory,
          "' keeps bits and numbers of the same rows; leave RFlat or Refine out");
  require((recipe.structure.kind != StructureSpec::Kind::Hash || bits) &&
              (recipe.structure.kind != StructureSpec::Kind::Lists || !bits) && (recipe.projections.empty() || !bits),
          "factory: '", options.factory, "' with dtype '", options.dtype,
          "' does not go together: BHash holds bits, and IVF, PCA, OPQ and RR hold numbers");
  require(recipe.projections.empty() || is_product(base_metric(metric)), "metric: ", options.metric,
          " does not survive a projection; use a factory without PCA, OPQ and RR");
  require(recipe.codec.codec != Codec::SignBits || base_metric(metric) == Metric::Cosine,
          "metric: LSH compares angles, expected cosine (or pearson, hellinger), got ", options.metric);
}

}  // namespace

std::string name_of(Codec codec) {
  constexpr const char* kNames[] = {"float32", "float16", "bfloat16", "int8", "pq", "pq", "lsh", "bits"};
  return kNames[static_cast<size_t>(codec)];
}

Recipe recipe_from(const IndexOptions& options) {
  Recipe recipe = Parser(options).parse();
  require_fitting(recipe, options);
  return recipe;
}

}  // namespace pictrieve
