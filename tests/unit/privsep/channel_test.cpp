#include "privsep/channel.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "privsep/protocol.hpp"

namespace racoon::privsep {
namespace {

using ::testing::HasSubstr;

class ChannelTest : public ::testing::Test {
  protected:
    void make(std::size_t limit = 1000, std::size_t queue_limit = 1u << 20) {
        auto pair = socket_pair();
        ASSERT_TRUE(pair);
        raw_ = ::dup(pair->other.get());
        a_ = make_socket_channel(*loop_, std::move(pair->mine), limit, queue_limit);
        b_ = make_socket_channel(*loop_, std::move(pair->other), limit, queue_limit);
        b_->on_message([this](Message&& m) {
            got_.push_back(std::move(m));
            if (got_.size() == wanted_) loop_->stop();
        });
        a_->on_closed([this](const std::string& why) {
            closed_ = why;
            loop_->stop();
        });
    }
    void TearDown() override {
        if (raw_ >= 0) ::close(raw_);
    }

    std::unique_ptr<loop::EventLoop> loop_ = std::move(*loop::EventLoop::make());
    std::unique_ptr<Channel> a_, b_;
    int raw_ = -1;  // the far end's socket, to write what no channel would
    std::vector<Message> got_;
    std::size_t wanted_ = 0;
    std::string closed_;
};

TEST_F(ChannelTest, MessagesArriveWholeAndInOrder) {
    make(1u << 20);
    wanted_ = 200;
    for (std::size_t i = 0; i < 200; ++i)
        a_->send(Message(Kind::Operation, Bytes(i * 37, static_cast<std::uint8_t>(i))));
    loop_->run();
    for (std::size_t i = 0; i < 200; ++i) {
        EXPECT_EQ(got_[i].kind, Kind::Operation);
        EXPECT_EQ(got_[i].body, Bytes(i * 37, static_cast<std::uint8_t>(i)));
    }
    EXPECT_EQ(a_->queued(), 0u);
}

TEST_F(ChannelTest, DescriptorsComeWithTheirMessage) {
    make();
    int pipe_a[2], pipe_b[2];
    ASSERT_EQ(::pipe(pipe_a), 0);
    ASSERT_EQ(::pipe(pipe_b), 0);
    std::vector<UniqueFd> first, second;
    first.emplace_back(pipe_a[0]);
    first.emplace_back(pipe_a[1]);
    second.emplace_back(pipe_b[1]);
    const UniqueFd kept(pipe_b[0]);
    wanted_ = 3;
    a_->send(Message(Kind::Sockets, {1}, std::move(first)));
    a_->send(Message(Kind::Serve, {}));
    a_->send(Message(Kind::Sockets, {2}, std::move(second)));
    loop_->run();
    ASSERT_EQ(got_[0].fds.size(), 2u);
    EXPECT_EQ(got_[1].fds.size(), 0u);
    ASSERT_EQ(got_[2].fds.size(), 1u);
    ASSERT_EQ(::write(got_[2].fds[0].get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(kept.get(), &byte, 1), 1);
    EXPECT_EQ(::fcntl(got_[0].fds[0].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC)
        << "no helper program inherits it";
}

TEST_F(ChannelTest, AMessageOverTheLimitClosesTheChannel) {
    make(1000);
    const std::uint8_t header[] = {0, 0, 0x10, 0, 66, 0};  // 4096 bytes
    ASSERT_EQ(::write(raw_, header, sizeof header), 6);
    loop_->run();
    EXPECT_THAT(closed_, HasSubstr("4096 bytes, at most 1000"));
}

TEST_F(ChannelTest, AMessageThatPromisesDescriptorsAndBringsNoneClosesTheChannel) {
    make(1000);
    const std::uint8_t header[] = {0, 0, 0, 0, 66, 2};
    ASSERT_EQ(::write(raw_, header, sizeof header), 6);
    loop_->run();
    EXPECT_THAT(closed_, HasSubstr("without its descriptors"));
}

TEST_F(ChannelTest, TheEndOfTheOtherProcessIsTold) {
    make();
    ::close(raw_);
    raw_ = -1;
    b_.reset();
    loop_->run();
    EXPECT_THAT(closed_, HasSubstr("ended"));
}

TEST_F(ChannelTest, AProcessThatDoesNotReadIsGivenUp) {
    make(1u << 20, 1u << 20);
    b_.reset();  // nobody reads, but raw_ keeps the socket open
    for (int i = 0; i < 100; ++i) a_->send(Message(Kind::Log, Bytes(60000)));
    loop_->run();
    EXPECT_THAT(closed_, HasSubstr("does not read"));
}

TEST_F(ChannelTest, AHandlerMayDestroyItsChannel) {
    make();
    wanted_ = 99;
    b_->on_message([this](Message&&) {
        b_.reset();
        loop_->stop();
    });
    a_->send(Message(Kind::Serve, {}));
    a_->send(Message(Kind::Serve, {}));
    loop_->run();
    EXPECT_EQ(b_, nullptr);
}

TEST_F(ChannelTest, EndsInOneProcessUseTheSameFrames) {
    auto [a, b] = make_memory_channels(*loop_, 100, 100);
    std::vector<Message> got;
    b->on_message([&](Message&& m) {
        got.push_back(std::move(m));
        loop_->stop();
    });
    std::string why;
    b->on_closed([&](const std::string& text) {
        why = text;
        loop_->stop();
    });
    a->send(Message(Kind::Operation, {1, 2, 3}));
    loop_->run();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].body, (Bytes{1, 2, 3}));
    a->send(Message(Kind::Operation, Bytes(101)));
    loop_->run();
    EXPECT_THAT(why, HasSubstr("101 bytes, at most 100"));
}

TEST(Protocol, RecordsSurviveTheWay) {
    OpResult result;
    result.token = OpToken{77};
    result.error.emplace(Error(Errc::NoProposalChosen, "none of them").notify(14).os(2));
    Writer out;
    result.put(out);
    const auto back = decode<OpResult>(out.view());
    ASSERT_TRUE(back);
    EXPECT_EQ(back->token, result.token);
    ASSERT_TRUE(back->error);
    EXPECT_EQ(back->error->code(), Errc::NoProposalChosen);
    EXPECT_EQ(back->error->text(), "none of them");
    EXPECT_EQ(back->error->notify_type(), 14);
    EXPECT_EQ(back->error->os_errno(), 2);

    Start start;
    start.config.generation = 5;
    start.config.path = "/etc/racoon/racoon.conf";
    start.config.files.files["/etc/racoon/racoon.conf"] = "log debug;\n";
    start.config.numbers.policies.push_back({PolicyId{3}, {ReqId{8}, ReqId{9}}});
    start.uid = 65534;
    start.change_ids = true;
    start.chroot = "/var/empty";
    start.module_path = "/usr/lib/racoon/modules";
    Writer more;
    start.put(more);
    const auto again = decode<Start>(more.view());
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(again->config.files.files, start.config.files.files);
    EXPECT_EQ(again->config.numbers.policies[0].reqids, start.config.numbers.policies[0].reqids);
    EXPECT_EQ(again->chroot, "/var/empty");
    EXPECT_TRUE(again->change_ids);
}

TEST(Protocol, BytesAfterARecordAreAnError) {
    Writer out;
    Token{5}.put(out);
    out.u8(0);
    EXPECT_FALSE(decode<Token>(out.view()));
}

TEST(Protocol, EveryCutOfARecordIsAnErrorAndNothingWorse) {
    LogLine line;
    line.level = log::Level::Warning;
    line.peer = "192.0.2.1";
    line.text = "something";
    line.file = "x.cpp";
    line.line = 7;
    Writer out;
    line.put(out);
    for (std::size_t n = 0; n < out.size(); ++n)
        EXPECT_FALSE(decode<LogLine>(out.view().first(n))) << n;
    EXPECT_TRUE(decode<LogLine>(out.view()));
}

}  // namespace
}  // namespace racoon::privsep
