#include "pictrieve/rank/diversity.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

enum class Similarity { Cosine, InnerProduct, L2 };

Similarity similarity_from_name(const std::string& name) {
  if (name == "cosine") return Similarity::Cosine;
  if (name == "ip") return Similarity::InnerProduct;
  require(name == "l2", "metric: expected cosine, ip or l2, got '", name, "'");
  return Similarity::L2;
}

/// A vector and 1 / length; a vector of zeros has the cosine 0 with everything.
struct Row {
  const float* values;
  double inverse;
};

double inverse_length(const float* row, int64_t dim) {
  const double squared = dot(row, row, dim);
  return squared > 0 ? 1 / std::sqrt(squared) : 0;
}

double similarity(Row a, Row b, int64_t dim, Similarity kind, std::vector<float>& difference) {
  if (kind == Similarity::L2) {
    difference.resize(static_cast<size_t>(dim));
    std::transform(a.values, a.values + dim, b.values, difference.begin(), std::minus<>());
    return -std::sqrt(double{dot(difference.data(), difference.data(), dim)});
  }
  const double product = dot(a.values, b.values, dim);
  return kind == Similarity::Cosine ? product * a.inverse * b.inverse : product;
}

/// All vectors with their lengths, which are taken once although many queries may have found the same item.
class Vectors {
 public:
  Vectors(MatrixView<const float> rows, Similarity kind, const char* name) : rows_(rows) {
    for (int64_t i = 0; i < rows.rows; ++i)
      require(all_finite(rows.row(i), rows.cols), name, ": row ", i, " has NaN or infinity");
    if (kind != Similarity::Cosine) return;
    inverse_.resize(static_cast<size_t>(rows.rows));
    parallel_for(rows.rows, 1024, [&](int64_t begin, int64_t end, Worker) {
      for (int64_t i = begin; i < end; ++i) inverse_[static_cast<size_t>(i)] = inverse_length(rows.row(i), rows.cols);
    });
  }

  Row row(int64_t i) const { return {rows_.row(i), inverse_.empty() ? 1.0 : inverse_[static_cast<size_t>(i)]}; }
  int64_t dim() const { return rows_.cols; }

 private:
  MatrixView<const float> rows_;
  std::vector<double> inverse_;
};

/// One candidate that is not yet chosen.
struct Open {
  int64_t place;
  int64_t id;
  Row row;
  double relevance;
  double nearest = -std::numeric_limits<double>::infinity();  ///< similarity to the nearest chosen one
};

/// Marginal relevance; where nothing is chosen yet there is nothing to differ from.
double value_of(const Open& open, double diversity) {
  const double relevance = (1 - diversity) * open.relevance;
  return std::isinf(open.nearest) ? relevance : relevance - diversity * open.nearest;
}

size_t best_of(const std::vector<Open>& open, double diversity) {
  size_t best = 0;
  double best_value = value_of(open[0], diversity);
  for (size_t i = 1; i < open.size(); ++i) {
    const double value = value_of(open[i], diversity);
    if (value < best_value || (value == best_value && open[i].id > open[best].id)) continue;
    best = i;
    best_value = value;
  }
  return best;
}

void require_sound(const Candidates& candidates, MatrixView<const float> vectors, const DiversityOptions& options) {
  require(options.k > 0, "k: expected at least 1, got ", options.k);
  require(options.diversity >= 0 && options.diversity <= 1, "diversity: expected 0 to 1, got ", options.diversity);
  const auto queries = static_cast<int64_t>(candidates.offsets.size()) - 1;
  require(candidates.rows.size() == candidates.ids.size(), "vectors: expected one for each of ", candidates.ids.size(),
          " ids, got ", candidates.rows.size());
  for (const int64_t row : candidates.rows)
    require(row >= 0 && row < vectors.rows, "vectors: expected at least ", row + 1, " rows, got ", vectors.rows);
  if (!candidates.relevance.empty() || candidates.ids.empty()) return;
  require(candidates.queries.rows == queries && candidates.queries.cols == vectors.cols, "query: expected ", queries,
          " vectors of ", vectors.cols, " numbers, got ", candidates.queries.rows, " of ", candidates.queries.cols);
}

/// Everything that one query is answered from.
struct Task {
  const Candidates& candidates;
  const DiversityOptions& options;
  Similarity kind;
  Vectors rows;
  Vectors queries;
};

void open_all(const Task& task, int64_t query, std::vector<Open>& open, std::vector<float>& difference) {
  const Candidates& given = task.candidates;
  const auto at = static_cast<size_t>(query);
  open.clear();
  for (int64_t place = given.offsets[at]; place < given.offsets[at + 1]; ++place) {
    const auto i = static_cast<size_t>(place);
    const Row row = task.rows.row(given.rows[i]);
    const double relevance = given.relevance.empty()
                                 ? similarity(task.queries.row(query), row, task.rows.dim(), task.kind, difference)
                                 : given.relevance[i];
    open.push_back({place, given.ids[i], row, relevance});
  }
}

/// Takes the best one out and brings the others' nearest up to date.
Open choose(const Task& task, std::vector<Open>& open, std::vector<float>& difference) {
  const size_t best = best_of(open, task.options.diversity);
  const Open chosen = open[best];
  open[best] = open.back();
  open.pop_back();
  if (task.options.diversity > 0)
    for (Open& other : open)
      other.nearest =
          std::max(other.nearest, similarity(chosen.row, other.row, task.rows.dim(), task.kind, difference));
  return chosen;
}

Diversified sized(std::span<const int64_t> offsets, int64_t k) {
  Diversified result;
  result.offsets.assign(1, 0);
  for (size_t i = 1; i < offsets.size(); ++i)
    result.offsets.push_back(result.offsets.back() + std::min(k, offsets[i] - offsets[i - 1]));
  result.places = Matrix<int64_t>(1, result.offsets.back());
  result.relevance = Matrix<float>(1, result.offsets.back());
  return result;
}

}  // namespace

Diversified diversify(const Candidates& candidates, MatrixView<const float> vectors, const DiversityOptions& options,
                      const Monitor& monitor) {
  require_sound(candidates, vectors, options);
  const Similarity kind = similarity_from_name(options.metric);
  const Task task{candidates, options, kind, {vectors, kind, "vectors"}, {candidates.queries, kind, "query"}};
  Diversified result = sized(candidates.offsets, options.k);
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    std::vector<Open> open;
    std::vector<float> difference;
    for (int64_t query = begin; query < end; ++query) {
      const auto at = static_cast<size_t>(query);
      open_all(task, query, open, difference);
      for (int64_t i = result.offsets[at]; i < result.offsets[at + 1] && !worker.should_stop(); ++i) {
        const Open chosen = choose(task, open, difference);
        result.places.data()[i] = chosen.place;
        result.relevance.data()[i] = static_cast<float>(chosen.relevance);
      }
    }
  };
  parallel_for(static_cast<int64_t>(candidates.offsets.size()) - 1, 1, body, monitor);
  return result;
}

}  // namespace pictrieve
