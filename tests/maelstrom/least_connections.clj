;; A Maelstrom workload that judges a node in two phases. First, clients send all types of messages at once; Knossos
;; looks for one order of all that they saw in which every reply is the right one. Then, one client sends the messages
;; of closing.txt, one after another, and compares the replies. It needs nothing but a Maelstrom release:
;;
;;   java -Djava.awt.headless=true -cp MAELSTROM/lib/maelstrom.jar clojure.main \
;;     -i tests/maelstrom/least_connections.clj -m least-connections --bin target/release/least-connections \
;;     --time-limit 10 --rate 500 --concurrency 8 -- api-10 api-1 api-2
;;
;; --bin may be any node. The names after -- are its arguments, the backends. Sorted as text or by number, they have
;; another order, so that a tie shows which one the node goes by. One of them begins with another.
;;
;; Input that is not JSON, open pools and the bytes of replies are tested by `cargo test`, not here. A reply that is
;; sent twice is only noticed in the closing phase: Maelstrom's client ignores the second.
(ns least-connections
  (:require [cheshire.core :as json]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.tools.logging :refer [warn]]
            [jepsen [checker :as checker]
                    [cli :as cli]
                    [client :as client]
                    [generator :as gen]
                    [history :as h]]
            [knossos.model :refer [inconsistent]]
            [maelstrom [client :as c]
                       [core :as core]
                       [net :as net]]
            [schema.core :as s]
            [slingshot.slingshot :refer [try+]])
  (:import (knossos.model Model)))

;; The messages

(def Counts {s/Str s/Int})

(c/defrpc request! "Routes a request."
  {:type (s/eq "http_request")}
  {:type (s/eq "http_response"), :status (s/eq 200), :backend s/Str, :active_connections Counts})

(c/defrpc report! "Reports counts, then routes a request."
  {:type (s/eq "http_request"), :active_connections Counts}
  {:type (s/eq "http_response"), :backend s/Str})

(c/defrpc complete! "Ends a request at a backend."
  {:type (s/eq "request_complete"), :backend s/Str}
  {:type (s/eq "request_complete_ok"), :backend s/Str, :active_connections Counts})

(c/defrpc drain! "Takes a backend out of the choice."
  {:type (s/eq "drain"), :backend s/Str}
  {:type (s/eq "drain_ok"), :backend s/Str, :active_connections Counts})

(c/defrpc resume! "Puts a backend back into the choice."
  {:type (s/eq "resume"), :backend s/Str}
  {:type (s/eq "resume_ok"), :backend s/Str, :active_connections Counts})

(c/defrpc stats! "Asks for everything that is known of each backend."
  {:type (s/eq "stats")}
  {:type (s/eq "stats_ok")
   :backends {s/Str {(s/required-key "active_connections") s/Int
                     (s/required-key "total_requests") s/Int
                     (s/required-key "last_used") (s/maybe s/Int)
                     (s/required-key "draining") s/Bool}}})

;; The rules

(defrecord Balancer [pool active total draining]
  Model
  (step [this op]
    (let [f (:f op)
          {:keys [backend active_connections reply]} (:value op)
          active (merge active active_connections)
          chosen (->> pool (remove draining) (sort-by active) first) ; A stable sort: of a tie, the first in the pool.
          after  (case f
                   (:request :report) (when chosen
                                        (-> this
                                            (assoc :active (update active chosen inc))
                                            (update-in [:total chosen] inc)))
                   :complete (when (pos? (active backend 0)) (update-in this [:active backend] dec))
                   :drain    (update this :draining conj backend)
                   :resume   (update this :draining disj backend)
                   :stats    this)
          right  (case f
                   :request {:status 200, :backend chosen, :active_connections (:active after)}
                   :report  {:backend chosen}
                   (:complete :drain :resume) {:backend backend, :active_connections (:active after)}
                   :stats   {:backends (into {} (for [b pool]
                                                  [b {"active_connections" (active b)
                                                      "total_requests"     (total b)
                                                      "last_used"          (pos? (total b)) ; Whether it is set.
                                                      "draining"           (contains? draining b)}]))})]
      (cond (nil? after)                  (inconsistent "nothing to route to, or nothing to complete")
            (contains? #{nil right} reply) after ; Without a reply, it may have happened.
            :else                         (inconsistent (str "the reply is " reply " but should be " right))))))

(defn verdict
  "Knossos's verdict: valid, or the operation that no order explains, and why. `linear.svg` shows the orders tried.
  `:closing` is what is wrong in the closing phase, if anything."
  [pool]
  (let [zero     (zipmap pool (repeat 0))
        knossos  (checker/linearizable {:model (Balancer. pool zero zero #{}), :algorithm :linear})
        closing? (h/has-f? :closing)]
    (reify checker/Checker
      (check [_ test history opts]
        (let [{:keys [op final-paths] :as analysis} (checker/check knossos test (h/remove closing? history) opts)
              last-steps (filter #(= (:process op) (:process (:op %))) (map last final-paths))
              closing    (:value (last (h/filter closing? history)))]
          (cond-> (select-keys analysis [:valid? :cause :op])
            op                    (assoc :why (distinct (map (comp :msg :model) last-steps)))
            (not= :right closing) (assoc :valid? false, :closing closing)))))))

;; The closing phase

(def transcript
  "The steps of closing.txt, which is beside this file: messages, each with the reply that is expected, if any."
  (reduce (fn [steps part]
            (let [body #(update-keys (json/parse-string (subs part 1)) keyword)] ; Ignores what follows the object.
              (case (first part)
                \> (conj steps {:message (body)})
                \< (conj (pop steps) (assoc (peek steps) :expected (body)))
                steps)))
          []
          (str/split (slurp (io/file (.getParent (io/file *file*)) "closing.txt")) #"(?m)^(?=[<>])")))

(defn restart
  "The steps of an `init` that goes back to the backends of the command line."
  [pool]
  (let [fresh {"active_connections" 0, "total_requests" 0, "last_used" nil, "draining" false}]
    [{:message {:type "init"}, :expected {:type "init_ok"}}
     {:message {:type "stats"}, :expected {:type "stats_ok", :backends (zipmap pool (repeat fresh))}}]))

(defn with-times
  "The expected reply, where each `last_used` is that of the reply, if it is in the range, or else the range."
  [expected reply ranges]
  (reduce-kv (fn [expected backend [from to :as range]]
               (let [path [:backends backend "last_used"]
                     time (get-in reply path)]
                 (cond-> expected
                   (get-in expected path) (assoc-in path (if (and (int? time) (<= from time to)) time range)))))
             expected
             ranges))

(defn play!
  "Sends the messages of the steps, one after another. Returns :right, or the first one with another reply."
  [net node steps]
  (let [{:keys [node-id] :as conn} (c/open! net)]
    (loop [[{:keys [message expected]} & steps] steps
           ranges {}] ; For each backend, between which times the last request was routed there.
      (Thread/sleep 5)
      (let [{:keys [msg_id] :as message} (merge {:msg_id (c/msg-id! conn)} message)
            from     (System/currentTimeMillis)
            _        (net/send! net {:src node-id, :dest node, :body message})
            {:keys [src body]} (net/recv! net node-id (if expected 10000 100))
            to       (inc (System/currentTimeMillis)) ; The node may round up.
            reply    (cond-> (dissoc body :msg_id)
                       (= "error" (:type body))  (dissoc :text)
                       (and src (not= src node)) (assoc :src src))
            expected (some-> expected (assoc :in_reply_to msg_id) (with-times reply ranges))
            ranges   (cond-> ranges
                       (= "http_response" (:type expected)) (assoc (:backend expected) [from to]))]
        (cond
          (not= expected reply) (doto {:sent message, :reply (or reply :missing), :expected (or expected :none)}
                                  (->> (warn "The closing phase ends early:"))) ; A crash leaves no other trace.
          steps                 (recur steps ranges)
          :else                 :right)))))

;; The clients

(def rpcs {:request request!, :report report!, :complete complete!, :drain drain!, :resume resume!, :stats stats!})

(defn reply
  "The part of a reply's body that the rules determine: of `last_used`, whether it is set."
  [{:keys [backends] :as body}]
  (cond-> (dissoc body :type :in_reply_to :msg_id)
    backends (update :backends update-vals #(update % "last_used" some?))))

(defrecord Client [net node conn]
  client/Client
  (open! [this _test node] (assoc this :node node, :conn (c/open! net)))
  (setup! [_ _test])
  (invoke! [_ {:keys [args]} {:keys [f value] :as op}]
    (try+ (assoc op :type :ok, :value (if (= f :closing)
                                        (play! net node (concat (restart args) transcript (restart args)))
                                        (assoc value :reply (reply ((rpcs f) conn node value)))))
          ;; A right node refuses nothing that is sent here. So an error is a reply that no order explains.
          (catch [:type :rpc-error] {:keys [body]}
            (assoc op :type :ok, :value (assoc value :reply (reply body))))
          (catch [:type :maelstrom.client/timeout] _
            (assoc op :type :info, :error :net-timeout))))
  (teardown! [_ _test])
  (close! [_ _test] (c/close! conn))

  client/Reusable
  (reusable? [_ _test] true))

;; What the clients send
;;
;; A right node refuses none of it, in whatever order concurrent messages arrive:
;; - A request is completed at most once, after its reply. If a report was under way meanwhile, it is never completed,
;;   as the report may have replaced its count.
;; - One report is under way at a time. When it starts, what was in flight at the backends it names is forgotten. It
;;   reports the completions under way there, and some spare connections. After its reply, the spare ones and the
;;   request that it routed are in flight.
;; - A backend is resumed only after its drain is answered. At every moment, one backend is certain not to be draining.

(defn pick
  "A random operation, of those that are safe now. As many completions as requests keep ties frequent."
  [{:keys [pool in-flight completing draining epoch]}]
  (let [busy    (for [[backend n] in-flight, :when (pos? n)] backend)
        steady  (remove draining pool)
        drained (for [[backend state] draining, :when (= state :drained)] backend)
        named   (shuffle (random-sample 0.6 pool)) ; Small maps keep their order.
        base    (rand-nth [0 0 8 14 98 254 65534 16777214 2147483646 4294967294]) ; Past 10, 16, 100, 2^8, … and 2^32.
        spare   (zipmap named (repeatedly #(+ base (rand-int 4))))]
    (rand-nth
      (concat (repeat 7 {:f :request, :epoch epoch})
              (when (seq busy) (repeat 8 {:f :complete, :value {:backend (rand-nth busy)}}))
              (when (even? epoch) [{:f :report
                                    :spare spare
                                    :value {:active_connections
                                            (merge-with + spare (select-keys completing (keys spare)))}}])
              (when (next steady) [{:f :drain, :value {:backend (rand-nth steady)}}])
              (when (seq drained) [{:f :resume, :value {:backend (rand-nth drained)}}])
              [{:f :stats}]))))

(defrecord Traffic [pool
                    in-flight  ; How many connections of each backend are certain to be there for completion.
                    completing ; How many completions are under way at each backend.
                    draining   ; The backends that may be draining: :starting, :drained (certain), or :ending.
                    epoch]     ; Grows when a report starts and when it ends: odd while one is under way.
  gen/Generator
  (op [this _test ctx]
    [(gen/fill-in-op (pick this) ctx) this])
  (update [this _test _ctx {:keys [type f value spare] :as op}]
    (let [{:keys [backend reply]} value
          one-more (fnil inc 0)]
      (if (:code reply)
        this ; An error. What it did is unknown.
        (case [type f]
          [:invoke :complete] (-> this
                                  (update-in [:in-flight backend] dec)
                                  (update-in [:completing backend] one-more))
          [:ok :complete]     (update-in this [:completing backend] dec)
          [:ok :request]      (if (and (even? epoch) (= epoch (:epoch op)))
                                (update-in this [:in-flight (:backend reply)] one-more)
                                this)
          [:invoke :report]   (-> this
                                  (update :epoch inc)
                                  (update :in-flight #(apply dissoc % (keys spare))))
          [:ok :report]       (-> this
                                  (update :epoch inc)
                                  (update :in-flight merge spare)
                                  (update-in [:in-flight (:backend reply)] one-more))
          [:invoke :drain]    (assoc-in this [:draining backend] :starting)
          [:ok :drain]        (assoc-in this [:draining backend] :drained)
          [:invoke :resume]   (assoc-in this [:draining backend] :ending)
          [:ok :resume]       (update this :draining dissoc backend)
          this)))))

;; The test

(defn workload [{:keys [net args]}]
  {:client    (map->Client {:net net})
   :generator (gen/phases {:f :stats} ; Every `last_used` is null here.
                          (map->Traffic {:pool args, :in-flight {}, :completing {}, :draining {}, :epoch 0}))
   :checker   (verdict args)})

(defn options [parsed]
  (let [{{:keys [nodes args]} :options :as parsed} (core/opt-fn parsed)]
    (cond-> parsed
      (next nodes)  (update :errors conj "Each node balances by itself: this workload takes one (--node-count 1).")
      (empty? args) (update :errors conj "Name the backends after --, for example: -- api-10 api-1 api-2"))))

(defn -main [& args]
  (alter-var-root #'core/workloads assoc :least-connections workload)
  (cli/run! (cli/single-test-cmd {:test-fn  #(-> (core/maelstrom-test (assoc % :workload :least-connections))
                                                 (update :generator gen/phases (gen/clients {:f :closing}))
                                                 (assoc-in [:logging :overrides "jepsen.util"] :warn)) ; No operations.
                                  :opt-spec (concat core/test-opt-spec core/opt-spec)
                                  :opt-fn*  options})
            (concat ["test" "--node-count" "1" "--availability" "total"] args)))
