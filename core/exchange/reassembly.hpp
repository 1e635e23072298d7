// Reassembly: the pieces of one message of a peer, until all are there. Its memory is bounded, and each piece
// costs the same in whatever order they come.
//
//     RACOON_TRY(const auto got, pieces.add(fragment, hash(fragment.data)));
//     if (got == Reassembly::Got::Whole) … pieces.take()         // the message
//
// Pieces carry no proof and most peers number all their messages 1, so any piece may be damaged, forged, or of the
// message before. What comes last counts: it takes the place of what contradicts it. A peer sends its pieces in
// one go, so they are together again with the next sending, whatever was put between them. Only pieces of the
// message before, which are told by their bytes, give way to others and never the other way round.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "isakmp/fragment.hpp"

namespace racoon::exchange {

class Reassembly {
  public:
    static constexpr std::size_t kMaxPieces = isakmp::kMaxFragments;
    static constexpr std::size_t kMaxSize = 65535;  // bytes of the message
    static constexpr Duration kLifetime = std::chrono::seconds(30);

    /// `most`: bytes of the message, at most kMaxSize.
    explicit Reassembly(std::size_t most = kMaxSize) : most_(most) {}
    /// For a peer that has shown more of itself since.
    void set_most(std::size_t most) { most_ = most; }

    enum class Got : std::uint8_t { Piece, Repeated, Whole };
    /// `digest`: a keyed hash of the piece's data. A piece of another id begins anew. TooLong: an index beyond
    /// kMaxPieces, or a piece of more than `most` bytes; what is there stays.
    Result<Got> add(const isakmp::Fragment& piece, std::uint64_t digest);
    /// The message, after Whole. Its pieces are remembered by their digests.
    Bytes take();
    /// Bytes held.
    std::size_t size() const { return size_; }
    /// Of the last piece; 0: none came yet.
    std::uint16_t id() const { return id_; }

  private:
    struct Piece {
        Bytes data;  // empty: not there yet
        std::uint64_t digest = 0;
        bool old = false;  // of the message before
    };
    bool of_the_message_before(const isakmp::Fragment& piece, std::uint64_t digest) const;
    /// Removes what cannot be of one message with it. False: it is a piece of the message before, among others.
    bool make_room(const isakmp::Fragment& piece, bool old);
    void remove(std::size_t at);
    void begin();

    std::size_t most_;
    std::uint16_t id_ = 0;
    std::vector<Piece> pieces_;  // by index - 1
    std::size_t count_ = 0, last_ = 0, size_ = 0;
    std::vector<std::uint64_t> before_;  // digests of the pieces of the message taken last
};

/// What one peer sends in pieces: of several messages at one time, as long as their ids differ. Holds at most
/// twice Reassembly::kMaxSize bytes; the message without news for longest goes first.
class Reassemblies {
  public:
    static constexpr std::size_t kMaxMessages = 16;

    /// Where pieces with this id go. The reference is good until the next call.
    Reassembly& of(std::uint16_t id);
    /// One that was begun before there was room for several.
    void adopt(Reassembly begun);
    /// Bytes held.
    std::size_t size() const;

  private:
    std::vector<Reassembly> list_;  // that with the latest news is last
};

}  // namespace racoon::exchange
